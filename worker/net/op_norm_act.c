/* op_norm_act: normalisation and activation in one; backward in place, adding the gradient that came along the skip. Where the
   convolution before leaves the statistics and all that read its output read through the norm, forward has nothing to do. */
#include "worker/net/op.h"

static void again(const struct run *r, const struct node *n)
{
    for (int i = 0; i < r->batch.samples; i++)
        r->backend->norm_again(&n->shape.norm, run_value(r, n->in, i), run_weight(r, n->weight), run_weight(r, n->bias), run_stats(r, n, i),
                               run_value(r, n->out, i));
}

static void forward(const struct run *r, const struct node *n)
{
    if (n->stats_given) {
        if (!n->unwritten) again(r, n);
        return;
    }
    for (int i = 0; i < r->batch.samples; i++)
        r->backend->norm_forward(&n->shape.norm, run_value(r, n->in, i), run_weight(r, n->weight), run_weight(r, n->bias), run_stats(r, n, i),
                                 n->unwritten ? NULL : run_value(r, n->out, i));
}

static enum profile_kind backward(const struct run *r, const struct node *n)
{
    r->backend->norm_backward(&n->shape.norm, &r->batch, run_value(r, n->in, 0), run_weight(r, n->weight), run_weight(r, n->bias), run_stats(r, n, 0),
                              run_gradient(r, n->d_out, 0), run_gradient(r, n->d_more, 0), run_leaf(r, n->weight), run_leaf(r, n->bias));
    return PROFILE_NORM_BACKWARD;
}

const struct op op_norm_act = {"norm_act", forward, backward, again, NULL, PROFILE_NORM_FORWARD};
