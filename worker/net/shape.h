/* shape: the extent of an image or volume; rank 2 or 3 everywhere, slowest dimension first. */
#ifndef WORKER_NET_SHAPE_H
#define WORKER_NET_SHAPE_H
#include <stddef.h>

enum { RANK_MAX = 3 };
struct shape {
    int rank;             /* 2: rows, columns; 3: slices, rows, columns */
    int dims[RANK_MAX];   /* those past the rank are 1 */
};

static inline size_t shape_pixels(struct shape s)
{
    size_t n = 1;
    for (int i = 0; i < RANK_MAX; i++) n *= (size_t)s.dims[i];
    return n;
}

/* The extent after halving each dimension `times` times. */
static inline struct shape shape_halved(struct shape s, int times)
{
    for (int i = 0; i < s.rank; i++) s.dims[i] >>= times;
    return s;
}
#endif
