/* op_head: the 1x1 convolution to plain logits, where the loss takes over. */
#include "worker/net/op.h"

static void forward(const struct run *r, const struct node *n)
{
    for (int i = 0; i < r->batch.samples; i++) {
        const struct norm_before *norm;
        struct norm_before room;
        const void *in = run_in(r, n, CONV_FORWARD, i, &room, &norm);
        r->backend->head_forward(&n->shape.head, in, norm, run_weight(r, n->weight), run_weight(r, n->bias), run_logits(r, i));
    }
}

static enum profile_kind backward(const struct run *r, const struct node *n)
{
    const struct norm_before *norm;
    struct norm_before room;
    const void *in = run_in(r, n, CONV_WEIGHTS, 0, &room, &norm);
    r->backend->head_backward(&n->shape.head, &r->batch, in, norm, run_weight(r, n->weight), r->d_logits, run_gradient(r, n->d_in, 0), run_leaf(r, n->weight),
                              run_leaf(r, n->bias));
    return PROFILE_HEAD;
}

const struct op op_head = {"head", forward, backward, NULL, NULL, PROFILE_HEAD};
