/* network: from a configuration to a network in memory, and back. */
#include "worker/net/network.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "worker/net/backend_list.h"
#include "worker/net/network_inside.h"

/* The kernels that the caller asks for must be those of this network. */
static enum err check_kernels(const struct network_config *c, const struct network_kernels *k, const struct graph *g, struct err_note *note)
{
    int most = c->inference_only ? NETWORK_BATCH_MAX : c->batch;
    if (k->micro_batch < 1 || k->micro_batch > most)
        return err_set(note, ERR_RANGE, "/kernels/micro_batch", "%d samples in a micro-batch: 1 to %d are possible", k->micro_batch, most);
    if (k->layers && k->layers != g->layers)
        return err_set(note, ERR_RANGE, "/kernels/layers", "%d layers are given and the network has %d", k->layers, g->layers);
    for (int i = 0; k->layers && i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        if (n->layer != NONE && strcmp(k->layer[n->layer].name, n->name))
            return err_set(note, ERR_RANGE, "/kernels/layers", "layer %d is \"%s\" and the network's is %s", n->layer, k->layer[n->layer].name, n->name);
    }
    return OK;
}

/* Fills net->kernels with what is wanted: the given ones, or all direct. */
static enum err want_kernels(struct network *net, struct err_note *note)
{
    const struct network_kernels *given = net->config.kernels;
    net->kernels.micro_batch = 1;
    if (given) {
        enum err e = check_kernels(&net->config, given, &net->graph, note);
        if (e) return e;
        net->kernels = *given;
        if (given->layers) return OK;
    }
    net->kernels.layers = net->graph.layers;
    for (int i = 0; i < net->graph.nodes; i++) {
        const struct node *n = &net->graph.node[i];
        if (n->layer != NONE) memcpy(net->kernels.layer[n->layer].name, n->name, sizeof n->name);
    }
    return OK;
}

static enum err make_layers(struct network *net, struct err_note *note)
{
    struct conv_use use = {.forward_only = net->config.inference_only, .lanes = net->config.lanes, .cotangents = net->config.gradients};
    const struct stage *stage = net->graph.stage;
    for (int i = 0; i < net->graph.nodes; i++) {
        struct node *n = &net->graph.node[i];
        if (i == stage->end_node) stage++;
        if (n->layer == NONE) continue;
        use.samples = stage_samples(stage, net->kernels.micro_batch);
        struct network_layer_kernels *k = &net->kernels.layer[n->layer], wanted = *k;
        enum err e = net->backend.conv_new(&n->shape.conv, &use, k, &n->conv, note);
        if (e) return e;
        if (memcmp(&wanted, k, sizeof wanted)) net->kernels_changed = true;
    }
    return OK;
}

static bool reads_norm(const struct backend *b, const struct node *n, enum conv_kind kind)
{
    if (n->op == &op_head) return b->head_reads_norm && kind != CONV_DATA;
    return n->conv && b->conv_reads_norm && b->conv_reads_norm(n->conv, kind);
}

/* A skip is read by the level below and by its own on the way up. Where both read through its norm in all that they do, z takes its place. */
static void relieve_skip(struct network *net, struct node *norm)
{
    struct graph *g = &net->graph;
    const struct value *out = &g->value[norm->out];
    bool all = true;
    for (int pass = 0; pass < 2 && all; pass++)
        for (struct node *n = norm + 1; n < g->node + g->nodes; n++) {
            if (graph_norm_before(g, n) != norm) continue;
            if (pass) n->through[CONV_FORWARD] = n->through[CONV_WEIGHTS] = (int)(norm - g->node);
            else all &= reads_norm(&net->backend, n, CONV_FORWARD) && (net->config.inference_only || reads_norm(&net->backend, n, CONV_WEIGHTS));
        }
    if (!all) return;
    norm->unwritten = true;
    g->value[norm->in].parent = out->parent;
    g->value[norm->in].first = out->first;
}

/* What the layers beside a norm do of its work: the statistics of an instance norm, the convolution before it; all of the rest forward,
   the nodes that read it. */
static void relieve_norms(struct network *net)
{
    struct graph *g = &net->graph;
    for (struct node *n = g->node; n < g->node + g->nodes; n++) {
        if (n->op != &op_norm_act) continue;
        bool gives = net->backend.conv_gives_stats && net->backend.conv_gives_stats(n[-1].conv);
        n->stats_given = gives && n->shape.norm.norm == MODEL_NORM_INSTANCE;
        if (g->value[n->out].in_place_of == NONE) {
            relieve_skip(net, n);
            continue;
        }
        for (enum conv_kind k = 0; k < CONV_KINDS; k++)
            if (reads_norm(&net->backend, n + 1, k)) n[1].through[k] = (int)(n - g->node);
        n->unwritten = n[1].through[CONV_FORWARD] != NONE;
    }
}

enum err network_prepare(const struct network_config *config, const struct backend *backend, struct network **out, struct err_note *note)
{
    *out = NULL;
    enum err e = config_check(config, note);
    if (e) return e;
    struct network *net = calloc(1, sizeof *net);
    if (!net) return err_set(note, ERR_NO_MEMORY, "", "no memory for a network");
    net->config = *config;
    net->backend = *backend;
    if (!net->config.lanes) net->config.lanes = lanes_default_count();
    if (net->config.inference_only) net->config.batch = net->config.gradients = 0;
    struct shape image = {.rank = config->rank, .dims = {config->patch[0], config->patch[1], 1}};
    graph_build(&net->graph, config, backend->block, backend->image_count(backend->block, config->in_channels, image));
    for (int i = 0; i < net->graph.tensors; i++) net->parameter[i] = net->graph.tensor[i].as;
    if (backend->thread_start) backend->thread_start();
    if ((e = want_kernels(net, note)) || (e = make_layers(net, note))) {
        network_free(net);
        return e;
    }
    relieve_norms(net);
    net->config.backend = net->backend.name;
    net->config.kernels = &net->kernels;
    network_plan_prepared(net);
    plan_memory(&net->graph, &net->config, &net->backend, &net->plan);
    *out = net;
    return OK;
}

enum err network_new_on(const struct network_config *config, const struct backend *backend, struct network **out, struct err_note *note)
{
    struct network *net;
    enum err e = network_prepare(config, backend, &net, note);
    *out = NULL;
    if (e) return e;
    if ((e = arena_new(&net->plan.all, &net->arena, note)) || (e = lanes_new(net->config.lanes, net->backend.thread_start, &net->lanes, note))) {
        network_free(net);
        return e;
    }
    *out = net;
    return OK;
}

enum err network_new(const struct network_config *config, struct network **out, struct err_note *note)
{
    struct backend backend;
    *out = NULL;
    enum err e = backend_find(config->backend, &backend, note);
    return e ? e : network_new_on(config, &backend, out, note);
}

void network_free(struct network *net)
{
    if (!net) return;
    lanes_free(net->lanes);
    profile_free(net->profile);
    for (int i = 0; i < net->graph.nodes; i++)
        if (net->graph.node[i].conv) net->backend.conv_free(net->graph.node[i].conv);
    arena_free(&net->arena);
    free(net);
}

enum err network_memory_bytes(const struct network_config *config, size_t *bytes, struct err_note *note)
{
    struct backend backend;
    struct network *net;
    enum err e = backend_find(config->backend, &backend, note);
    if (e || (e = network_prepare(config, &backend, &net, note))) return e;
    *bytes = net->plan.all.bytes;
    if (net->plan.all.overflow) e = err_set(note, ERR_NO_MEMORY, "", "the network needs more memory than can be counted");
    network_free(net);
    return e;
}

enum err network_parameter_count(const struct network_config *config, size_t *count, struct err_note *note)
{
    enum err e = config_check(config, note);
    if (e) return e;
    struct graph *g = malloc(sizeof *g);
    if (!g) return err_set(note, ERR_NO_MEMORY, "", "no memory for a network");
    graph_build(g, config, 1, 0);
    *count = g->canonical_count;
    free(g);
    return OK;
}

const struct network_config *network_config(const struct network *net)
{
    return &net->config;
}

struct lanes *network_lanes(struct network *net)
{
    return net->lanes;
}

size_t network_memory_used(const struct network *net)
{
    return net->arena.bytes;
}

const struct network_kernels *network_kernels(const struct network *net)
{
    return &net->kernels;
}

bool network_kernels_changed(const struct network *net)
{
    return net->kernels_changed;
}
