/* op_conv: the 3x3 convolution of a block, padding 1, stride 1 or 2. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    const struct node *behind = n + 1;
    const struct norm_before *norm;
    struct norm_before room;
    const void *in = run_in(r, n, CONV_FORWARD, 0, &room, &norm);
    r->backend->conv_forward(n->conv, r->lane, &r->batch, r->scratch, in, norm, run_read(r, n, false), run_weight(r, n->bias), run_value(r, n->out, 0),
                             behind->stats_given ? run_stats(r, behind, 0) : NULL);
}

bool op_conv_joins(const struct backend *b, const struct node *n)
{
    return b->conv_joins_backward && b->conv_joins_backward(n->conv);
}

static enum profile_kind backward(const struct run *r, const struct node *n)
{
    const struct norm_before *norm;
    struct norm_before room;
    const void *d_out = run_gradient(r, n->d_out, 0), *in = run_in(r, n, CONV_WEIGHTS, 0, &room, &norm);
    void *d_w = run_leaf(r, n->weight), *d_bias = run_leaf(r, n->bias);
    if (op_conv_joins(r->backend, n)) {
        r->backend->conv_backward(n->conv, r->lane, &r->batch, r->scratch, in, norm, d_out, run_read(r, n, true), run_gradient(r, n->d_in, 0), d_w, d_bias);
        return PROFILE_CONV_BACKWARD;
    }
    r->backend->conv_backward_weights(n->conv, r->lane, &r->batch, r->scratch, in, norm, d_out, d_w, d_bias);
    if (n->d_in.buffer == NONE) return PROFILE_CONV_WEIGHTS; /* the image needs no gradient */
    run_lap(r, n, PROFILE_CONV_WEIGHTS);
    r->backend->conv_backward_data(n->conv, r->lane, &r->batch, r->scratch, d_out, run_read(r, n, true), run_gradient(r, n->d_in, 0));
    return PROFILE_CONV_DATA;
}

static void prepare(const struct run *r, const struct node *n, bool backward, int task)
{
    r->backend->conv_prepare(n->conv, backward, run_weight(r, n->weight), task, 1, run_prepared(r, n, backward));
}

const struct op op_conv = {"conv", forward, backward, NULL, prepare, PROFILE_CONV_FORWARD};
