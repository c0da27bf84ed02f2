/* calibration: whether probabilities keep their word: expected calibration error and Brier score of a class map. */
#ifndef WORKER_TRAIN_CALIBRATION_H
#define WORKER_TRAIN_CALIBRATION_H
#include <stddef.h>
#include <stdint.h>

/* 15 equal bins: bin i takes i/15 < p <= (i+1)/15, and p = 0 goes to the first (Guo et al. 2017).
     ECE   = sum over bins of n_b/N |right_b/n_b - mean confidence_b|; an empty bin adds nothing
     top label: confidence = the probability of the predicted class, right = it is the true one
     class k:   confidence = p_k, right = k is the true class (one against the rest)
     Brier = mean over pixels of sum over all classes of (p_k - [k is true])², 0..2; class k: its own term alone.
   A network with one map (sigmoid) says p_1, and p_0 = 1 - p_1: its Brier score is then twice that of class 1. */
enum { CALIBRATION_BINS = 15 };
struct calibration_bins {
    uint64_t count[CALIBRATION_BINS], right[CALIBRATION_BINS];
    double confidence[CALIBRATION_BINS]; /* sums */
};
struct calibration_class {
    struct calibration_bins bins;
    double squared; /* sum of (p_k - [k is true])² */
};
struct calibration {
    int classes;
    uint64_t pixels; /* not ignored */
    struct calibration_bins top;
    struct calibration_class *of; /* [classes], borrowed */
};
void calibration_start(struct calibration *c, int classes, struct calibration_class *of); /* clears of[classes] */
/* probabilities: [maps][pixels], maps 1 or classes; predicted, truth: [pixels]. Truth 255 or `ignore_index` counts nowhere. */
void calibration_add(struct calibration *c, int maps, const float *probabilities, const uint8_t *predicted, const uint8_t *truth, size_t pixels, int ignore_index);
void calibration_merge(struct calibration *to, const struct calibration *from);

/* NaN without a pixel. */
double calibration_ece(const struct calibration *c); /* top label */
double calibration_ece_of(const struct calibration *c, int k);
double calibration_brier(const struct calibration *c);
double calibration_brier_of(const struct calibration *c, int k);
#endif
