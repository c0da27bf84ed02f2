/* verdict_json: the verdict over a run's gradients as it stands in result.json and in the job's result. */
#ifndef WORKER_RUN_VERDICT_JSON_H
#define WORKER_RUN_VERDICT_JSON_H
#include <jansson.h>
#include "worker/train/gradient_verdict.h"

/* {steps_seen, levels: {logits: {cos_median, conflict_rate, ratio_first, ratio_last}, ...}, dominant, alpha_effective,
   oscillation: {second_difference, sign_changes, ema_gap}, suggestion, text, confidence, alarm}; null for what has no value; a level
   that was not measured is absent. New reference. */
json_t *verdict_write(const struct gradient_verdict *v);
#endif
