/* op_pool: 2x2 maximum between two encoder levels; its gradient is added to the one that came along the skip. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    for (int i = 0; i < r->batch.samples; i++) r->backend->pool_forward(&n->shape.pool, run_value(r, n->in, i), run_value(r, n->out, i));
}

static enum profile_kind backward(const struct run *r, const struct node *n)
{
    for (int i = 0; i < batch_gradients(&r->batch); i++)
        r->backend->pool_backward(&n->shape.pool, run_value(r, n->in, i / r->batch.cotangents), run_gradient(r, n->d_out, i), run_gradient(r, n->d_in, i));
    return PROFILE_POOL;
}

const struct op op_pool = {"pool", forward, backward, NULL, NULL, PROFILE_POOL};
