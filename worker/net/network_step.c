/* network_step: forward and backward of a batch and inference of patches, a micro-batch at a time over the lanes. */
#include <assert.h>

#include "worker/net/network_inside.h"

enum { SLICE = 4096 /* elements: 16 samples of it in floats fill half of a 512 KiB cache */ };

static unsigned char *scratch_of(const struct network *net, int lane)
{
    return network_at(net, net->plan.scratch) + (size_t)lane * net->plan.scratch_bytes;
}

/* slot: the first sample's memory; kept for backward, or passing. */
static struct run run_of(const struct network *net, int slot, int samples, int lane, bool keep)
{
    const struct plan *p = &net->plan;
    size_t s = (size_t)slot, e = net->backend.element_bytes, value = keep ? p->kept_bytes : p->passing_bytes;
    size_t gradients = (size_t)(net->kernels.micro_batch * net->config.gradients);
    return (struct run){
        .backend = &net->backend, .graph = &net->graph, .lane = lane, .keep = keep,
        .batch = {.samples = samples, .cotangents = net->cotangents, .value = value / e, .gradient = p->gradient_bytes / e, .stats = p->stats_bytes / e,
                  .logits = p->logit_bytes / e, .logits_apart = (size_t)net->config.batch * p->logit_bytes / e, .leaf_apart = arena_round(p->arena_bytes) / e},
        .values = network_at(net, p->samples) + s * value,
        .stats = network_at(net, p->stats) + s * p->stats_bytes,
        .gradients = network_at(net, p->gradients) + (size_t)lane * gradients * p->gradient_bytes,
        .scratch = scratch_of(net, lane),
        .weights = network_at(net, p->weights), .prepared = network_at(net, p->prepared),
        .profile = keep ? net->profile : NULL,
    };
}

/* Tasks are micro-batches; the last may be smaller. */
static int tasks_of(const struct network *net)
{
    return (net->samples + net->group - 1) / net->group;
}

static int samples_of(const struct network *net, int task)
{
    int left = net->samples - task * net->group;
    return left < net->group ? left : net->group;
}

/* What is done with samples of a run at a stage; each of its parts may be another lane's. */
typedef void visit_fn(const struct network *net, const struct run *part, int stage);
struct visit {
    const struct network *net;
    const struct run *run;
    int stage, most; /* samples of a part */
    visit_fn *fn;
};

static void visit_part(void *ctx, int number, int lane)
{
    const struct visit *v = ctx;
    int first = number * v->most, left = v->run->batch.samples - first;
    struct run part = run_part(v->run, first, left < v->most ? left : v->most);
    if (lane != part.lane) {
        part.lane = lane;
        part.scratch = scratch_of(v->net, lane);
        profile_start(part.profile, lane);
    }
    v->fn(v->net, &part, v->stage);
}

/* Does `fn` with the samples of r, as many at a time as the stage takes; with lanes that have no micro-batch left. */
static void each_part(const struct network *net, const struct run *r, int stage, visit_fn *fn)
{
    struct visit v = {net, r, stage, stage_samples(&net->graph.stage[stage], net->kernels.micro_batch), fn};
    lanes_split(net->lanes, r->lane, (r->batch.samples + v.most - 1) / v.most, visit_part, &v);
}

static void forward_nodes(const struct run *r, const struct stage *s)
{
    for (const struct node *n = r->graph->node + s->first_node; n < r->graph->node + s->end_node; n++) {
        n->op->forward(r, n);
        run_lap(r, n, n->op->forward_kind);
    }
}

/* Down to a level: what lies above it first, which takes fewer samples at a time. */
static void forward_down(const struct network *net, const struct run *r, int stage)
{
    const struct graph *g = &net->graph;
    if (stage) each_part(net, r, stage - 1, forward_down);
    else {
        for (int i = 0; i < r->batch.samples; i++)
            r->backend->image_pack(net->config.in_channels, g->node[0].shape.conv.in, r->images[i], run_value(r, g->image, i));
        run_lap(r, &g->node[0], PROFILE_PACK);
    }
    forward_nodes(r, &g->stage[stage]);
}

static void forward_up(const struct network *net, const struct run *r, int stage)
{
    forward_nodes(r, &net->graph.stage[stage]);
    if (stage + 1 < net->graph.stages) each_part(net, r, stage + 1, forward_up);
}

static void forward_bottom(const struct network *net, const struct run *r, int stage)
{
    forward_down(net, r, stage);
    if (stage + 1 < net->graph.stages) each_part(net, r, stage + 1, forward_up);
}

static void run_forward(const struct network *net, const struct run *r)
{
    profile_start(r->profile, r->lane);
    each_part(net, r, net->graph.levels - 1, forward_bottom);
}

static void forward_task(void *ctx, int task, int lane)
{
    struct network *net = ctx;
    int first = task * net->group;
    struct run r = run_of(net, first, samples_of(net, task), lane, true);
    r.logits = (unsigned char *)network_logits(net, first);
    r.images = net->images + first;
    run_forward(net, &r);
}

static void forward(struct network *net, int samples, const float *const images[], void (*task)(void *ctx, int task, int lane))
{
    assert(samples >= 0 && samples <= net->config.batch);
    net->images = images;
    net->samples = samples;
    net->group = net->kernels.micro_batch;
    net->cotangents = 1;
    enum profile_kind before = profile_phase(net->profile, PROFILE_PREPARE);
    network_freshen(net, false);
    profile_phase(net->profile, PROFILE_BETWEEN);
    lanes_run(net->lanes, tasks_of(net), task, net);
    profile_phase(net->profile, before);
}

void network_forward(struct network *net, int samples, const float *const images[])
{
    forward(net, samples, images, forward_task);
}

float *network_logits(struct network *net, int sample)
{
    assert(sample >= 0 && sample < net->config.batch);
    return (float *)(void *)(network_at(net, net->plan.logits) + (size_t)sample * net->plan.logit_bytes);
}

float *network_logit_gradient(struct network *net, int k, int sample)
{
    assert(k >= 0 && k < net->config.gradients && sample >= 0 && sample < net->config.batch);
    return (float *)(void *)(network_at(net, net->plan.d_logits[k]) + (size_t)sample * net->plan.logit_bytes);
}

/* The activation that n reads, which was not kept: the node before has just what it takes. */
static void make_again(const struct run *r, const struct node *n)
{
    const struct node *before = n - 1;
    assert(before->out == n->in && before->op->again);
    before->op->again(r, before);
    run_lap(r, before, PROFILE_NORM_AGAIN);
}

/* To the parameter gradients of a stage's samples before, those of a later part. Not what lies between tensors: nobody writes there. */
static void add_part(const struct network *net, const struct run *part, const struct stage *s, const struct run *to)
{
    size_t e = part->backend->element_bytes;
    for (const struct tensor *t = net->graph.tensor + s->first_tensor; t < net->graph.tensor + s->end_tensor; t++)
        for (size_t k = 0; t->first >= net->first_element && k < (size_t)net->cotangents; k++)
            part->backend->add(to->leaf + (k * to->batch.leaf_apart + t->first) * e, part->leaf + (k * part->batch.leaf_apart + t->first - part->leaf_first) * e,
                               tensor_arena_count(&t->layout));
}

/* The nodes of a stage, backwards; the first of a micro-batch's parts writes its leaf, later ones a place of the lane's, and add that
   to the leaf when the parts before have. */
static void backward_nodes(const struct network *net, const struct run *r, int stage)
{
    const struct graph *g = &net->graph;
    const struct stage *s = &g->stage[stage];
    int first = s->first_node > net->first_node ? s->first_node : net->first_node;
    struct run part = *r;
    if (r->first) {
        part.leaf = network_at(net, net->plan.part) + (size_t)(r->lane * net->config.gradients) * net->plan.part_bytes;
        part.leaf_first = g->tensor[s->first_tensor].first;
        part.batch.leaf_apart = net->plan.part_bytes / r->backend->element_bytes;
    }
    for (const struct node *n = g->node + s->end_node - 1; n >= g->node + first; n--) {
        if (g->value[n->in].in_place_of != NONE && n->through[CONV_WEIGHTS] == NONE) make_again(&part, n);
        run_lap(&part, n, n->op->backward(&part, n));
    }
    if (r->first) {
        lanes_await(net->lanes, &r->added[stage], r->first);
        add_part(net, &part, s, r);
    }
    lanes_advance(net->lanes, &r->added[stage], r->first + r->batch.samples);
}

/* Up to a level, and through what leads to it: the last of forward first. */
static void backward_up(const struct network *net, const struct run *r, int stage)
{
    if (stage + 1 < net->graph.stages) each_part(net, r, stage + 1, backward_up);
    backward_nodes(net, r, stage);
}

static void backward_down(const struct network *net, const struct run *r, int stage)
{
    backward_nodes(net, r, stage);
    if (stage) each_part(net, r, stage - 1, backward_down);
}

static void backward_bottom(const struct network *net, const struct run *r, int stage)
{
    if (stage + 1 < net->graph.stages) each_part(net, r, stage + 1, backward_up);
    backward_down(net, r, stage);
}

static void backward_task(void *ctx, int task, int lane)
{
    struct network *net = ctx;
    int first = task * net->group;
    struct run r = run_of(net, first, samples_of(net, task), lane, true);
    r.leaf = network_leaf(net, task, net->k);
    r.d_logits = (const unsigned char *)network_logit_gradient(net, net->k, first);
    int added[STAGES_MAX] = {0};
    r.added = added;
    profile_start(r.profile, lane);
    each_part(net, &r, net->graph.levels - 1, backward_bottom);
}

/* The fixed tree over micro-batches: ((0+1)+(2+3))+((4+5)+(6+7)) ... for each element, whoever computes the slice. */
static void sum_task(void *ctx, int slice, int lane)
{
    const struct network *net = ctx;
    size_t e = net->backend.element_bytes, first = net->first_element + (size_t)slice * SLICE, count = net->graph.arena_count - first;
    int tasks = tasks_of(net);
    (void)lane;
    if (count > SLICE) count = SLICE;
    for (int k = net->k; k < net->k + net->cotangents; k++)
        for (int apart = 1; apart < tasks; apart *= 2)
            for (int i = 0; i + apart < tasks; i += 2 * apart)
                net->backend.add(network_leaf(net, i, k) + first * e, network_leaf(net, i + apart, k) + first * e, count);
}

/* Nodes from the last down to `first_node`, whose parameters are the elements from `first_element` on. */
static void backward(struct network *net, int samples, int k, int cotangents, int first_node, size_t first_element)
{
    assert(samples == net->samples && samples >= 1 && k >= 0 && k + cotangents <= net->config.gradients);
    net->k = k;
    net->cotangents = cotangents;
    net->first_node = first_node;
    net->first_element = first_element;
    enum profile_kind before = profile_phase(net->profile, PROFILE_PREPARE);
    network_freshen(net, true);
    profile_phase(net->profile, PROFILE_BETWEEN);
    lanes_run(net->lanes, tasks_of(net), backward_task, net);
    profile_phase(net->profile, PROFILE_TREE);
    if (tasks_of(net) > 1) lanes_run(net->lanes, (int)((net->graph.arena_count - first_element + SLICE - 1) / SLICE), sum_task, net);
    profile_phase(net->profile, before);
}

void network_backward(struct network *net, int samples, int k)
{
    backward(net, samples, k, 1, 0, 0);
}

void network_backward_both(struct network *net, int samples)
{
    backward(net, samples, 0, 2, 0, 0);
}

void network_backward_head(struct network *net, int samples, int k)
{
    const struct graph *g = &net->graph;
    backward(net, samples, k, 1, g->nodes - 1, g->tensor[g->node[g->nodes - 1].weight].first);
}

static void look_task(void *ctx, int task, int lane)
{
    struct network *net = ctx;
    struct run r = run_of(net, lane * net->kernels.micro_batch, samples_of(net, task), lane, false);
    r.logits = (unsigned char *)network_logits(net, task * net->group);
    r.images = net->images + task * net->group;
    r.profile = net->profile;
    run_forward(net, &r);
}

void network_look(struct network *net, int samples, const float *const images[])
{
    forward(net, samples, images, look_task);
    net->samples = 0; /* the activations of a network_forward are gone */
}

static void infer_task(void *ctx, int task, int lane)
{
    const struct network *net = ctx;
    struct run r = run_of(net, lane * net->kernels.micro_batch, samples_of(net, task), lane, false);
    r.infer_logits = net->infer_logits + task * net->group;
    r.images = net->images + task * net->group;
    run_forward(net, &r);
}

void network_infer(struct network *net, int count, const float *const images[], float *const logits[])
{
    int lanes = net->config.lanes, share = (count + lanes - 1) / lanes; /* few patches: rather all lanes than full micro-batches */
    net->images = images;
    net->infer_logits = logits;
    net->samples = count;
    net->cotangents = 1;
    net->group = share < 1 ? 1 : share < net->kernels.micro_batch ? share : net->kernels.micro_batch;
    network_freshen(net, false);
    lanes_run(net->lanes, tasks_of(net), infer_task, net);
    net->samples = 0; /* the activations of a network_forward are gone */
}
