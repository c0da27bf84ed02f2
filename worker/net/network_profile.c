/* network_profile: a network's profile, and what its layers are to a reader: names, arithmetic, who computes them. */
#include <assert.h>

#include "worker/net/network_inside.h"

enum err network_profile_on(struct network *net, struct err_note *note)
{
    profile_free(net->profile);
    return profile_new(net->config.lanes, net->graph.nodes, &net->profile, note);
}

struct profile *network_profile(const struct network *net)
{
    return net->profile;
}

/* 2 operations for each product: 3x3 taps at each output pixel, 2x2 at each input pixel. */
static double flops_of(const struct node *n)
{
    if (n->op == &op_conv) {
        const struct conv_shape *s = &n->shape.conv;
        return 2.0 * 9 * s->parts * s->in_channels * s->out_channels * (double)shape_pixels(s->out);
    }
    assert(n->op == &op_up);
    return 2.0 * 4 * n->shape.up.in_channels * n->shape.up.out_channels * (double)shape_pixels(n->shape.up.in);
}

static const struct {
    const struct op *op;
    enum profile_kind kinds[PROFILE_LAYER_KINDS];
} rows[] = {
    {&op_conv, {PROFILE_CONV_FORWARD, PROFILE_CONV_DATA, PROFILE_CONV_WEIGHTS, PROFILE_CONV_BACKWARD}},
    {&op_up, {PROFILE_UP_FORWARD, PROFILE_UP_DATA, PROFILE_UP_WEIGHTS, PROFILE_NONE}},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void fill_layer(const struct network *net, const struct node *n, const enum profile_kind *kinds, struct profile_layer *out)
{
    *out = (struct profile_layer){.name = n->name, .flops = flops_of(n), .node = (int)(n - net->graph.node)};
    bool joined = n->op == &op_conv && op_conv_joins(&net->backend, n);
    for (int k = 0; k < PROFILE_LAYER_KINDS; k++) {
        bool absent = (k == 1 && n->d_in.buffer == NONE) /* the image needs no gradient */ || (k > 0 && joined != (k == 3));
        out->kinds[k] = absent ? PROFILE_NONE : kinds[k];
        out->choice[k] = absent ? "" : n->conv ? net->backend.conv_choice(n->conv, k == 3 ? 1 : k) : net->backend.up_flips ? "simd" : "ref";
    }
}

bool network_profile_layer(const struct network *net, int i, struct profile_layer *out)
{
    for (int node = 0; node < net->graph.nodes; node++) {
        const struct node *n = &net->graph.node[node];
        for (int r = 0; r < ROWS; r++)
            if (n->op == rows[r].op && i-- == 0) {
                fill_layer(net, n, rows[r].kinds, out);
                return true;
            }
    }
    return false;
}
