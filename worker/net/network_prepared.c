/* network_prepared: weights in the form that a layer's kernel reads, made once after each change of the weights. */
#include <assert.h>

#include "worker/net/network_inside.h"

static struct prepared conv_wants(const struct network *net, const struct node *n, bool backward)
{
    struct prepared p = {.count = net->backend.conv_prepared_count(n->conv, backward)};
    if (p.count) p.tasks = net->backend.conv_prepare_tasks(n->conv, backward);
    return p;
}

/* Flipped weights, one block of input channels a task (op_up.c). */
static struct prepared up_wants(const struct network *net, const struct node *n)
{
    const struct up_shape *s = &n->shape.up;
    if (!net->backend.up_flips) return (struct prepared){0};
    return (struct prepared){.count = tensor_arena_count(&net->graph.tensor[n->weight].layout), .tasks = channels_padded(s->in_channels, s->block) / s->block};
}

void network_plan_prepared(struct network *net)
{
    for (int i = 0; i < net->graph.nodes; i++) {
        struct node *n = &net->graph.node[i];
        bool backward = !net->config.inference_only && n->d_in.buffer != NONE;
        if (n->conv) n->prepared[0] = conv_wants(net, n, false);
        if (n->conv && backward) n->prepared[1] = conv_wants(net, n, true);
        if (n->op == &op_up && backward) n->prepared[1] = up_wants(net, n);
    }
}

struct freshening {
    const struct network *net;
    bool backward;
};

static void prepare_task(void *ctx, int task, int lane)
{
    const struct freshening *f = ctx;
    const struct network *net = f->net;
    const struct node *n = net->graph.node;
    (void)lane;
    for (; task >= n->prepared[f->backward].tasks; n++) task -= n->prepared[f->backward].tasks;
    struct run r = {.backend = &net->backend, .graph = &net->graph, .weights = network_at(net, net->plan.weights),
                    .prepared = network_at(net, net->plan.prepared)};
    n->op->prepare(&r, n, f->backward, task);
}

void network_freshen(struct network *net, bool backward)
{
    struct freshening f = {net, backward};
    int tasks = 0;
    if (net->prepared_fresh[backward]) return;
    for (int i = 0; i < net->graph.nodes; i++) tasks += net->graph.node[i].prepared[backward].tasks;
    lanes_run(net->lanes, tasks, prepare_task, &f);
    net->prepared_fresh[backward] = true;
}
