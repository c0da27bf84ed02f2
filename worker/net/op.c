/* op: finding the memory that a node's forward and backward work on. */
#include "worker/net/op.h"

void *run_value(const struct run *r, int value, int i)
{
    const struct value *v = &r->graph->value[value];
    return r->values + (r->keep ? v->kept : v->passing) + (size_t)i * r->batch.value * r->backend->element_bytes;
}

void *run_gradient(const struct run *r, struct gradient_ref ref, int i)
{
    if (ref.buffer == NONE) return NULL;
    return r->gradients + r->graph->buffer[ref.buffer].offset + (ref.first + (size_t)i * r->batch.gradient) * r->backend->element_bytes;
}

void *run_stats(const struct run *r, const struct node *n, int i)
{
    return r->stats + (n->stats + (size_t)i * r->batch.stats) * r->backend->element_bytes;
}

const void *run_in(const struct run *r, const struct node *n, enum conv_kind kind, int i, struct norm_before *room, const struct norm_before **norm)
{
    const struct graph *g = r->graph;
    *norm = NULL;
    if (n->through[kind] == NONE) return run_value(r, n->in, i);
    const struct node *before = &g->node[n->through[kind]];
    int z = g->value[n->in].in_place_of; /* NONE: a skip, where z has taken the place of the activation */
    *room = (struct norm_before){&before->shape.norm, run_weight(r, before->weight), run_weight(r, before->bias), run_stats(r, before, i), r->batch.stats};
    *norm = room;
    return run_value(r, z == NONE ? n->in : z, i);
}

void *run_logits(const struct run *r, int i)
{
    return r->infer_logits ? (void *)r->infer_logits[i] : r->logits + (size_t)i * r->batch.logits * r->backend->element_bytes;
}

const void *run_weight(const struct run *r, int tensor)
{
    return tensor == NONE ? NULL : r->weights + r->graph->tensor[tensor].first * r->backend->element_bytes;
}

void *run_prepared(const struct run *r, const struct node *n, bool backward)
{
    return r->prepared + n->prepared[backward].first * r->backend->element_bytes;
}

const void *run_read(const struct run *r, const struct node *n, bool backward)
{
    return n->prepared[backward].count ? run_prepared(r, n, backward) : run_weight(r, n->weight);
}

void *run_leaf(const struct run *r, int tensor)
{
    return tensor == NONE ? NULL : r->leaf + (r->graph->tensor[tensor].first - r->leaf_first) * r->backend->element_bytes;
}

struct run run_part(const struct run *r, int first, int count)
{
    struct run part = *r;
    size_t e = r->backend->element_bytes, s = (size_t)first;
    part.batch.samples = count;
    part.first += first;
    part.images += first;
    part.values += s * r->batch.value * e;
    part.stats += s * r->batch.stats * e;
    part.gradients += s * batch_gradient_step(&r->batch) * e;
    if (r->infer_logits) part.infer_logits += first;
    else part.logits += s * r->batch.logits * e;
    if (r->d_logits) part.d_logits += s * r->batch.logits * e;
    return part;
}
