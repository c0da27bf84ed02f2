/* op_head: the 1x1 convolution to plain logits, where the loss takes over. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    r->backend->head_forward(&n->shape.head, run_value(r, n->in), run_weight(r, n->weight), run_weight(r, n->bias), r->logits);
}

static void backward(const struct run *r, const struct node *n)
{
    r->backend->head_backward(&n->shape.head, run_value(r, n->in), run_weight(r, n->weight), r->d_logits, run_gradient(r, n->d_in),
                              run_leaf(r, n->weight), run_leaf(r, n->bias));
}

const struct op op_head = {"head", forward, backward, NULL, PROFILE_HEAD, PROFILE_HEAD};
