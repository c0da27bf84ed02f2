/* plan: where everything of a network lies in its one piece of memory, decided before a byte is taken.

   M: samples in a micro-batch, G: gradients of a step.
   weights | leaves: [micro-batches][G] parameter gradients; those of the first are where the sums end up | prepared weights
   samples: [batch] kept values (training)  -or-  [lanes][M] passing values (inference), whichever is more, in the same place
   statistics | logits [batch] | logit gradients [G][batch] | per lane: gradient buffers [M][G], scratch, and
   [G] parameter gradients of a stage's later samples, where a stage takes a micro-batch in parts */
#ifndef WORKER_NET_PLAN_H
#define WORKER_NET_PLAN_H
#include "worker/net/arena.h"
#include "worker/net/graph.h"

struct plan {
    size_t weights, leaves, prepared, samples, stats, logits, d_logits[NETWORK_GRADIENTS_MAX], gradients, scratch, part;
    size_t arena_bytes, part_bytes, kept_bytes, passing_bytes, stats_bytes, logit_bytes, gradient_bytes, scratch_bytes; /* of one */
    struct arena_plan all;
};
/* Fills the places in g, too. config: resolved (lanes >= 1). The conv layers must be made: they say what scratch they need. */
void plan_memory(struct graph *g, const struct network_config *config, const struct backend *backend, struct plan *p);
#endif
