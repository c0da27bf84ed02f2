/* surface: how far apart the borders of a class lie in two class maps: NSD, HD95, ASSD. */
#ifndef WORKER_TRAIN_SURFACE_H
#define WORKER_TRAIN_SURFACE_H
#include "worker/train/distance.h"

/* Conventions, those of MONAI and MetricsReloaded (loss.md 5.4), not those of the surface elements of DeepMind's surface-distance:
   - The border B of a class are its elements with at least one of the 4 neighbours (6 in a volume) outside the class; what lies
     beyond the edge of the image is outside. (mask minus its erosion by the cross)
   - d(a, B) is the Euclidean distance from the centre of a to the nearest centre of B.
   - HD95 = max of the two directed 95th percentiles, of d(a, B) over a in A and of d(b, A) over b in B; a percentile lies
     between its two neighbours in order by linear interpolation (numpy's "linear": position 0.95 (n-1)).
   - ASSD = (sum of d(a, B) + sum of d(b, A)) / (|A| + |B|).
   - NSD = (how many a have d(a, B) <= tolerance + how many b have d(b, A) <= tolerance) / (|A| + |B|). */
struct surface_score {
    int in_truth, in_prediction;               /* the class occurs there; the rest is NaN unless both do */
    double nsd, hd95, assd;
    size_t truth_border, prediction_border;    /* elements */
};
/* predicted, truth: [grid_count(g)], ranks 2 and 3. tolerance >= 0, in the unit of the spacings. Elements that count nowhere must
   hold a value that is no class in both maps. Works on the box around the class: time and memory are linear in that. ERR_NO_MEMORY. */
enum err surface_of_class(const struct grid *g, const uint8_t *predicted, const uint8_t *truth, uint8_t class_index, double tolerance,
                          struct surface_score *score, struct err_note *note) MUST_USE;
/* The p-th percentile (0..100) of values[count], count > 0, as numpy.percentile has it. Reorders them. */
double percentile_of(double *values, size_t count, double p);
#endif
