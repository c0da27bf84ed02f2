/* distance: the exact Euclidean distance of every element of a grid to the nearest one of a set. */
#ifndef WORKER_TRAIN_DISTANCE_H
#define WORKER_TRAIN_DISTANCE_H
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

enum { GRID_RANK_MAX = 3 };
/* Elements in memory order, the slowest axis first: (rows, columns) or (slices, rows, columns). Sizes and spacings (the distance
   of neighbours along that axis, any unit) are > 0; asserted. */
struct grid {
    int rank; /* 1..3 */
    uint32_t size[GRID_RANK_MAX];
    double spacing[GRID_RANK_MAX];
};
size_t grid_count(const struct grid *g);

/* squared[grid_count]: the squared distance between centres to the nearest element with in_set != 0, which is 0 for such an
   element; INFINITY everywhere when there is none. Exact where spacings are 1; one axis after the other, each in time linear in
   the number of elements (Felzenszwalb and Huttenlocher 2012, "Distance transforms of sampled functions"). ERR_NO_MEMORY. */
enum err distance_squared(const struct grid *g, const uint8_t *in_set, double *squared, struct err_note *note) MUST_USE;
#endif
