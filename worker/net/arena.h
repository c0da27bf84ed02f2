/* arena: all memory of a network in one piece, laid out before it is taken; nothing is allocated afterwards. */
#ifndef WORKER_NET_ARENA_H
#define WORKER_NET_ARENA_H
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/err.h"

enum { ARENA_ALIGN = 64 /* a cache line, and the widest vector */ };

/* Sums up what will be needed. Overflow is remembered, not suffered. */
struct arena_plan {
    size_t bytes;
    bool overflow;
};

/* Reserves count pieces of `bytes` each; returns the offset of the first (a multiple of ARENA_ALIGN). The next starts
   arena_round(bytes) later. */
size_t arena_place(struct arena_plan *plan, size_t count, size_t bytes);
size_t arena_round(size_t bytes); /* up to a multiple of ARENA_ALIGN */

/* One piece of work memory that lives from step `first` to step `last` (both included). */
struct arena_span {
    size_t bytes, offset;
    int first, last;
};
/* Gives each span an offset such that those alive at the same step never overlap (first fit, in the order given).
   Returns the bytes needed in all. */
size_t arena_pack(struct arena_span *spans, int count);

struct arena {
    unsigned char *base;
    size_t bytes;
};
/* Zero-filled. ERR_NO_MEMORY with the size in `note`. */
enum err arena_new(const struct arena_plan *plan, struct arena *a, struct err_note *note) MUST_USE;
void arena_free(struct arena *a); /* may be called twice */
#endif
