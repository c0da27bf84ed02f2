/* plan: where everything of a network lies in its one piece of memory, decided before a byte is taken.

   weights | gradient 0 [, 1] | leaves: a gradient per sample but the first | prepared weights (forward, backward)
   samples: [batch] kept values (training)  -or-  [lanes] passing values (inference), whichever is more, in the same place
   statistics | logits [batch] | logit gradients [gradients][batch] | per lane: gradient buffers, scratch */
#ifndef WORKER_NET_PLAN_H
#define WORKER_NET_PLAN_H
#include "worker/net/arena.h"
#include "worker/net/graph.h"

struct plan {
    size_t weights, gradient[NETWORK_GRADIENTS_MAX], leaves, prepared, samples, stats, logits, d_logits[NETWORK_GRADIENTS_MAX], gradients, scratch;
    size_t arena_bytes, kept_bytes, passing_bytes, stats_bytes, logit_bytes, gradient_bytes, scratch_bytes; /* of one */
    struct arena_plan all;
};
/* Fills the places in g, too. config: resolved (lanes >= 1). The conv layers must be made: they say what scratch they need. */
void plan_memory(struct graph *g, const struct network_config *config, const struct backend *backend, struct plan *p);
#endif
