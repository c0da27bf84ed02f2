/* plan: lifetimes of values and gradients, and the offsets that follow from them. */
#include "worker/net/plan.h"

#include <assert.h>

#include "worker/net/op.h"

static void touch(struct arena_span *span, int step)
{
    if (step < span->first) span->first = step;
    if (step > span->last) span->last = step;
}

/* The activation that node n writes is read through the norm in all that its reader does: nobody writes it. */
static bool never_written(const struct node *n)
{
    return n->op == &op_norm_act && n->unwritten && n[1].through[CONV_WEIGHTS] != NONE;
}

/* Elements of the largest activation that backward makes again, or that forward hands to the next node only. */
static size_t largest_again(const struct graph *g)
{
    size_t largest = 0;
    for (const struct node *n = g->node; n < g->node + g->nodes; n++) {
        const struct value *out = n->out == NONE ? NULL : &g->value[n->out];
        if (out && out->in_place_of != NONE && !never_written(n) && out->count > largest) largest = out->count;
    }
    return largest;
}

/* Training keeps values from forward to backward, one after the other, but for the activations that backward makes again: of
   these one is in use at a time, so they share a place, which stays in the cache. */
static size_t place_kept(struct graph *g, size_t element_bytes)
{
    struct arena_plan kept = {0};
    size_t again = arena_place(&kept, 1, largest_again(g) * element_bytes);
    for (int i = 0; i < g->values; i++) {
        if (g->value[i].in_place_of != NONE) g->value[i].kept = again;
        else if (g->value[i].parent == NONE) g->value[i].kept = arena_place(&kept, 1, g->value[i].count * element_bytes);
    }
    for (int i = 0; i < g->values; i++)
        if (g->value[i].parent != NONE) g->value[i].kept = g->value[g->value[i].parent].kept + g->value[i].first * element_bytes;
    assert(!kept.overflow); /* config_check bounds one sample far below */
    return kept.bytes;
}

/* The value whose memory holds v during inference. */
static int passing_root(const struct graph *g, int v)
{
    if (g->value[v].parent != NONE) return g->value[v].parent;
    return g->value[v].in_place_of != NONE ? g->value[v].in_place_of : v;
}

/* Inference lets go of a value after its last reader. */
static size_t place_passing(struct graph *g, size_t element_bytes)
{
    struct arena_span span[VALUES_MAX];
    for (int i = 0; i < g->values; i++) span[i] = (struct arena_span){.first = g->nodes, .last = NONE};
    for (int i = 0; i < g->nodes; i++) {
        if (g->node[i].in != NONE) touch(&span[passing_root(g, g->node[i].in)], i);
        if (g->node[i].out != NONE) touch(&span[passing_root(g, g->node[i].out)], i);
    }
    for (int i = 0; i < g->values; i++) {
        if (passing_root(g, i) == i) span[i].bytes = g->value[i].count * element_bytes;
        else span[i] = (struct arena_span){0}; /* takes no room */
    }
    size_t bytes = arena_pack(span, g->values);
    for (int i = 0; i < g->values; i++) {
        size_t first = g->value[i].parent == NONE ? 0 : g->value[i].first;
        g->value[i].passing = span[passing_root(g, i)].offset + first * element_bytes;
    }
    return bytes;
}

static size_t place_gradients(struct graph *g, size_t element_bytes)
{
    struct arena_span span[VALUES_MAX + NETWORK_LEVELS_MAX];
    for (int i = 0; i < g->buffers; i++)
        span[i] = (struct arena_span){.bytes = g->buffer[i].count * element_bytes, .first = g->nodes, .last = NONE};
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        const struct gradient_ref refs[] = {n->d_out, n->d_more, n->d_in};
        for (int k = 0; k < 3; k++)
            if (refs[k].buffer != NONE) touch(&span[refs[k].buffer], g->nodes - 1 - i);
    }
    size_t bytes = arena_pack(span, g->buffers);
    for (int i = 0; i < g->buffers; i++) g->buffer[i].offset = span[i].offset;
    return bytes;
}

/* Elements of the largest stage that takes a micro-batch in parts. */
static size_t largest_part(const struct graph *g, int micro_batch)
{
    size_t largest = 0;
    for (const struct stage *s = g->stage; s < g->stage + g->stages; s++) {
        size_t end = s->end_tensor < g->tensors ? g->tensor[s->end_tensor].first : g->arena_count, count = end - g->tensor[s->first_tensor].first;
        if (stage_samples(s, micro_batch) < micro_batch && count > largest) largest = count;
    }
    return largest;
}

/* Elements of the arena of prepared weights. */
static size_t place_prepared(struct graph *g)
{
    size_t count = 0;
    for (int i = 0; i < g->nodes; i++)
        for (int backward = 0; backward < 2; backward++) {
            struct prepared *p = &g->node[i].prepared[backward];
            p->first = count;
            count += (p->count + ARENA_ALIGN_ELEMENTS - 1) / ARENA_ALIGN_ELEMENTS * ARENA_ALIGN_ELEMENTS;
        }
    return count;
}

void plan_memory(struct graph *g, const struct network_config *config, const struct backend *backend, struct plan *p)
{
    size_t e = backend->element_bytes, batch = config->inference_only ? 0 : (size_t)config->batch, lanes = (size_t)config->lanes;
    size_t micro = (size_t)config->kernels->micro_batch, slots = lanes * micro;
    size_t gradients = config->inference_only ? 0 : (size_t)config->gradients;
    *p = (struct plan){0};
    p->kept_bytes = place_kept(g, e);
    p->passing_bytes = place_passing(g, e);
    p->gradient_bytes = place_gradients(g, e);
    p->arena_bytes = g->arena_count * e;
    p->part_bytes = arena_round(largest_part(g, config->kernels->micro_batch) * e);
    p->stats_bytes = arena_round(g->stats_count * e);
    for (int i = 0; i < g->nodes; i++) {
        if (g->node[i].op == &op_head) p->logit_bytes = arena_round((size_t)g->node[i].shape.head.out_channels * g->node[i].shape.head.pixels * e);
        if (!g->node[i].conv) continue;
        size_t need = backend->conv_scratch_bytes(g->node[i].conv);
        if (need > p->scratch_bytes) p->scratch_bytes = arena_round(need);
    }
    p->weights = arena_place(&p->all, 1, p->arena_bytes);
    p->leaves = arena_place(&p->all, (batch + micro - 1) / micro * gradients, p->arena_bytes);
    p->prepared = arena_place(&p->all, 1, place_prepared(g) * e);
    struct arena_plan training = {0}, inference = {0};
    arena_place(&training, batch, p->kept_bytes);
    arena_place(&inference, slots, p->passing_bytes);
    p->samples = arena_place(&p->all, 1, training.bytes > inference.bytes ? training.bytes : inference.bytes);
    p->all.overflow |= training.overflow || inference.overflow;
    p->stats = arena_place(&p->all, batch > slots ? batch : slots, p->stats_bytes);
    p->logits = arena_place(&p->all, batch, p->logit_bytes);
    for (size_t k = 0; k < gradients; k++) p->d_logits[k] = arena_place(&p->all, batch, p->logit_bytes);
    p->gradients = arena_place(&p->all, batch ? slots * gradients : 0, p->gradient_bytes);
    p->scratch = arena_place(&p->all, lanes, p->scratch_bytes);
    p->part = arena_place(&p->all, lanes * gradients, p->part_bytes);
}
