/* verdict_json: the verdict over a run's gradients as it stands in result.json and in the job's result. */
#include "worker/run/verdict_json.h"
#include <math.h>

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *verdict_write(const struct gradient_verdict *v)
{
    json_t *levels = json_object();
    for (int k = 0; k < GRAM_LEVELS; k++) {
        const struct verdict_level *at = &v->level[k];
        if (v->measured[k])
            json_object_set_new(levels, gram_level_words[k], json_pack("{s:o, s:o, s:o, s:o}", "cos_median", number(at->cos_median), "conflict_rate", number(at->conflict_rate),
                                                                       "ratio_first", number(at->ratio_first), "ratio_last", number(at->ratio_last)));
    }
    const struct verdict_oscillation *o = &v->oscillation;
    json_t *oscillation = json_pack("{s:o, s:o, s:o}", "second_difference", number(o->second_difference), "sign_changes", number(o->sign_changes), "ema_gap", number(o->ema_gap));
    json_t *dominant = isnan(v->alpha_effective) ? json_null() : json_string(verdict_dominants[v->dominant]); /* nobody can tell */
    return json_pack("{s:I, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:o}", "steps_seen", (json_int_t)v->steps_seen, "levels", levels, "dominant", dominant,
                     "alpha_effective", number(v->alpha_effective), "oscillation", oscillation, "suggestion", verdict_suggestions[v->suggestion], "text", v->text,
                     "confidence", verdict_confidences[v->confidence], "alarm", v->alarm[0] ? json_string(v->alarm) : json_null());
}
