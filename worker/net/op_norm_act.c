/* op_norm_act: normalisation and activation in one; backward in place, adding the gradient that came along the skip. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    r->backend->norm_forward(&n->shape.norm, run_value(r, n->in), run_weight(r, n->weight), run_weight(r, n->bias), run_stats(r, n),
                             run_value(r, n->out));
}

static void backward(const struct run *r, const struct node *n)
{
    r->backend->norm_backward(&n->shape.norm, run_value(r, n->in), run_weight(r, n->weight), run_weight(r, n->bias), run_stats(r, n),
                              run_gradient(r, n->d_out), run_gradient(r, n->d_more), run_leaf(r, n->weight), run_leaf(r, n->bias));
}

const struct op op_norm_act = {"norm_act", forward, backward, NULL, PROFILE_NORM_FORWARD, PROFILE_NORM_BACKWARD};
