/* score_vectors: the cases of tests/vectors/scores_reference.json, read for the tests of the scores. */
#ifndef TESTS_UNIT_SCORE_VECTORS_H
#define TESTS_UNIT_SCORE_VECTORS_H
#include <jansson.h>
#include "worker/train/distance.h"

/* The array "masks" or "probabilities"; the whole file stays until json_decref(*file). */
const json_t *score_vectors(const char *name, json_t **file);
struct grid score_vector_grid(const json_t *one); /* size, and spacing where it has one */
/* The class map under `key`: a digit a pixel, x = 255. The caller frees. */
uint8_t *score_vector_map(const json_t *one, const char *key, size_t pixels);
/* Of {"1": {"nsd": ...}} and the like: asserted to be there. */
double score_vector_number(const json_t *object, const char *key);
#endif
