/* op_up: the 2x2 transposed convolution that enters a decoder level; writes its half of the level's two-part input. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    for (int i = 0; i < r->batch.samples; i++)
        r->backend->up_forward(&n->shape.up, run_value(r, n->in, i), run_weight(r, n->weight), run_weight(r, n->bias), run_value(r, n->out, i));
}

static enum profile_kind backward(const struct run *r, const struct node *n)
{
    r->backend->up_backward_weights(&n->shape.up, &r->batch, run_value(r, n->in, 0), run_gradient(r, n->d_out, 0), run_leaf(r, n->weight),
                                    run_leaf(r, n->bias));
    run_lap(r, n, PROFILE_UP_WEIGHTS);
    for (int i = 0; i < batch_gradients(&r->batch); i++)
        r->backend->up_backward_data(&n->shape.up, run_gradient(r, n->d_out, i), run_read(r, n, true), run_gradient(r, n->d_in, i));
    return PROFILE_UP_DATA;
}

/* Backward data's flipped weights, one block of input channels a task. */
static void prepare(const struct run *r, const struct node *n, bool backward, int task)
{
    const struct up_shape *s = &n->shape.up;
    size_t e = r->backend->element_bytes, b = (size_t)s->block, blocks = 4 * (size_t)channels_padded(s->out_channels, s->block) / b;
    size_t at = (size_t)task * blocks * b * b * e;
    weights_flip(s->block, e, blocks, (const unsigned char *)run_weight(r, n->weight) + at, (unsigned char *)run_prepared(r, n, backward) + at);
}

const struct op op_up = {"up", forward, backward, NULL, prepare, PROFILE_UP_FORWARD};
