/* op_head: the 1x1 convolution to plain logits, where the loss takes over. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    for (int i = 0; i < r->batch.samples; i++)
        r->backend->head_forward(&n->shape.head, run_value(r, n->in, i), run_weight(r, n->weight), run_weight(r, n->bias), run_logits(r, i));
}

static void backward(const struct run *r, const struct node *n)
{
    r->backend->head_backward(&n->shape.head, &r->batch, run_value(r, n->in, 0), run_weight(r, n->weight), r->d_logits, run_gradient(r, n->d_in, 0),
                              run_leaf(r, n->weight), run_leaf(r, n->bias));
}

const struct op op_head = {"head", forward, backward, NULL, NULL, PROFILE_HEAD, PROFILE_HEAD};
