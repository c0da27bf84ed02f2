/* op_pool: 2x2 maximum between two encoder levels; its gradient is added to the one that came along the skip. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    r->backend->pool_forward(&n->shape.pool, run_value(r, n->in), run_value(r, n->out));
}

static void backward(const struct run *r, const struct node *n)
{
    r->backend->pool_backward(&n->shape.pool, run_value(r, n->in), run_gradient(r, n->d_out), run_gradient(r, n->d_in));
}

const struct op op_pool = {"pool", forward, backward, NULL, PROFILE_POOL, PROFILE_POOL};
