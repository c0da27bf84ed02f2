/* network_step: forward and backward of a batch and inference of patches, sample by sample over the lanes. */
#include <assert.h>

#include "worker/net/network_inside.h"

enum { SLICE = 4096 /* elements: 16 samples of it in floats fill half of a 512 KiB cache */ };

/* slot: which sample's memory; kept for backward, or passing. */
static struct run run_of(const struct network *net, int slot, int lane, bool keep)
{
    const struct plan *p = &net->plan;
    size_t s = (size_t)slot, l = (size_t)lane;
    return (struct run){
        .backend = &net->backend, .graph = &net->graph, .lane = lane, .keep = keep,
        .values = network_at(net, p->samples) + s * (keep ? p->kept_bytes : p->passing_bytes),
        .stats = network_at(net, p->stats) + s * p->stats_bytes,
        .gradients = network_at(net, p->gradients) + l * p->gradient_bytes,
        .scratch = network_at(net, p->scratch) + l * p->scratch_bytes,
        .weights = network_at(net, p->weights), .prepared = network_at(net, p->prepared),
        .profile = keep ? net->profile : NULL,
    };
}

static void run_forward(const struct network *net, const struct run *r, const void *image)
{
    const struct graph *g = &net->graph;
    profile_start(r->profile, r->lane);
    net->backend.image_pack(net->config.in_channels, g->node[0].shape.conv.in, image, run_value(r, g->image));
    run_lap(r, &g->node[0], PROFILE_PACK);
    for (int i = 0; i < g->nodes; i++) {
        g->node[i].op->forward(r, &g->node[i]);
        run_lap(r, &g->node[i], g->node[i].op->forward_kind);
    }
}

static void forward_task(void *ctx, int sample, int lane)
{
    const struct network *net = ctx;
    struct run r = run_of(net, sample, lane, true);
    r.logits = network_logits(ctx, sample);
    run_forward(net, &r, net->images[sample]);
}

void network_forward(struct network *net, int samples, const float *const images[])
{
    assert(samples >= 0 && samples <= net->config.batch);
    net->images = images;
    net->samples = samples;
    enum profile_kind before = profile_phase(net->profile, PROFILE_PREPARE);
    network_freshen(net, false);
    profile_phase(net->profile, PROFILE_BETWEEN);
    lanes_run(net->lanes, samples, forward_task, net);
    profile_phase(net->profile, before);
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

/* Where sample s leaves its gradient; the first one's leaf is where the sum ends up. */
static unsigned char *leaf_of(const struct network *net, int sample)
{
    if (sample == 0) return network_at(net, net->plan.gradient[net->k]);
    return network_at(net, net->plan.leaves) + (size_t)(sample - 1) * arena_round(net->plan.arena_bytes);
}

static void backward_task(void *ctx, int sample, int lane)
{
    struct network *net = ctx;
    struct run r = run_of(net, sample, lane, true);
    r.leaf = leaf_of(net, sample);
    r.d_logits = network_logit_gradient(net, net->k, sample);
    profile_start(r.profile, lane);
    for (int i = net->graph.nodes - 1; i >= 0; i--) {
        const struct node *n = &net->graph.node[i];
        n->op->backward(&r, n);
        run_lap(&r, n, n->op->backward_kind);
    }
}

/* The fixed tree: ((0+1)+(2+3))+((4+5)+(6+7)) ... for each element, whoever computes the slice. */
static void sum_task(void *ctx, int slice, int lane)
{
    const struct network *net = ctx;
    size_t e = net->backend.element_bytes, first = (size_t)slice * SLICE, count = net->graph.arena_count - first;
    (void)lane;
    if (count > SLICE) count = SLICE;
    for (int apart = 1; apart < net->samples; apart *= 2)
        for (int i = 0; i + apart < net->samples; i += 2 * apart)
            net->backend.add(leaf_of(net, i) + first * e, leaf_of(net, i + apart) + first * e, count);
}

void network_backward(struct network *net, int samples, int k)
{
    assert(samples == net->samples && samples >= 1 && k >= 0 && k < net->config.gradients);
    net->k = k;
    enum profile_kind before = profile_phase(net->profile, PROFILE_PREPARE);
    network_freshen(net, true);
    profile_phase(net->profile, PROFILE_BETWEEN);
    lanes_run(net->lanes, samples, backward_task, net);
    profile_phase(net->profile, PROFILE_TREE);
    if (samples > 1) lanes_run(net->lanes, (int)((net->graph.arena_count + SLICE - 1) / SLICE), sum_task, net);
    profile_phase(net->profile, before);
}

static void infer_task(void *ctx, int task, int lane)
{
    const struct network *net = ctx;
    struct run r = run_of(net, lane, lane, false);
    r.logits = net->infer_logits[task];
    run_forward(net, &r, net->images[task]);
}

void network_infer(struct network *net, int count, const float *const images[], float *const logits[])
{
    net->images = images;
    net->infer_logits = logits;
    net->samples = 0;
    network_freshen(net, false);
    lanes_run(net->lanes, count, infer_task, net);
}
