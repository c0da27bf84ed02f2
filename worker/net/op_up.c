/* op_up: the 2x2 transposed convolution that enters a decoder level; writes its half of the level's two-part input. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    r->backend->up_forward(&n->shape.up, run_value(r, n->in), run_weight(r, n->weight), run_weight(r, n->bias), run_value(r, n->out));
}

static void backward(const struct run *r, const struct node *n)
{
    const void *d_out = run_gradient(r, n->d_out);
    r->backend->up_backward_weights(&n->shape.up, run_value(r, n->in), d_out, run_leaf(r, n->weight), run_leaf(r, n->bias));
    r->backend->up_backward_data(&n->shape.up, d_out, n->flips ? run_flipped(r, n->weight) : run_weight(r, n->weight),
                                 run_gradient(r, n->d_in));
}

const struct op op_up = {"up", forward, backward};
