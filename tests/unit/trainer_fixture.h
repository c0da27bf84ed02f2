/* trainer_fixture: one training run in the current folder on a small generated set, and all that it said. */
#ifndef TESTS_UNIT_TRAINER_FIXTURE_H
#define TESTS_UNIT_TRAINER_FIXTURE_H
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/data/generate.h"
#include "worker/train/trainer.h"
#include "worker/train/strategy.h"

/* One run in the current folder, and all that it said. */
enum { POINTS_MAX = 12000 };
struct run {
    struct job_spec spec;
    int micro_batch; /* 0: the default kernels, all direct; else Winograd and this many samples at once */
    struct trainer_result result;
    enum err e;
    struct err_note note;
    struct trainer_point points[POINTS_MAX];
    char names[POINTS_MAX][64];
    size_t count, most_series; /* in one call */
    int64_t stop_at; /* steps after which it is told to stop; -1 never */
    int64_t steps_seen;
    size_t told_by_first_step; /* points */
    bool stop_in_validation, validating, stop_in_evaluation, evaluating;
    bool other_weights; /* the network has some when the run is over */
    int checkpoints;
    double first_dice, last_dice, first_ce, last_ce;
};

static struct dataset set;

static void small_spec(struct job_spec *spec)
{
    job_spec_default(spec);
    spec->model.levels = 3;
    spec->model.widths[0] = 8, spec->model.widths[1] = 16, spec->model.widths[2] = 16;
    spec->training.epochs = 3;
    spec->training.steps_per_epoch = 8;
    spec->training.batch = 4;
    spec->training.rank = 2;
    spec->training.patch[0] = spec->training.patch[1] = 32;
    spec->validation.previews = 1;
    spec->optimizer.lr = 1e-2;
    if (!set.num_classes) {
        struct generator g = GENERATOR_DEFAULT;
        g.images = 10, g.size = 48, g.foreground = 0.15, g.noise = 0.05;
        CHECK_INT(generate_dataset(&g, &set, NULL), OK);
    }
}

static void take_points(void *context, const struct trainer_point *points, size_t count)
{
    struct run *r = context;
    size_t series = count > 0;
    for (size_t i = 1; i < count; i++)
        series += strcmp(points[i].name, points[i - 1].name) != 0;
    r->most_series = series > r->most_series ? series : r->most_series;
    for (size_t i = 0; i < count; i++) {
        if (points[i].timing)
            continue;
        CHECK(r->count < POINTS_MAX);
        snprintf(r->names[r->count], sizeof r->names[0], "%s", points[i].name);
        r->points[r->count] = points[i];
        r->points[r->count].name = r->names[r->count];
        r->count++;
    }
}

static void take_progress(void *context, const struct trainer_progress *p)
{
    struct run *r = context;
    r->validating = p->validating;
    if (isnan(p->dice))
        return;
    r->steps_seen++;
    if (r->steps_seen == 1)
        r->told_by_first_step = r->count;
    if (r->steps_seen == 1)
        r->first_dice = p->dice, r->first_ce = p->ce;
    r->last_dice = p->dice, r->last_ce = p->ce;
}

static void take_checkpoint(void *context, const struct trainer_checkpoint *c)
{
    struct run *r = context;
    char hex[SHA256_HEX];
    CHECK_INT(sha256_hex_of_file(c->path, hex, NULL), OK);
    CHECK_TEXT(hex, c->sha256);
    r->checkpoints++;
}

static bool stop_now(void *context)
{
    struct run *r = context;
    return (r->stop_at >= 0 && r->steps_seen >= r->stop_at) || (r->stop_in_validation && r->validating) || (r->stop_in_evaluation && r->evaluating);
}

static void train(struct run *r, int lanes, const char *resume)
{
    struct network_config config = {.rank = 2, .in_channels = 1, .out_channels = job_spec_out_channels(&r->spec, (int)set.num_classes), .levels = r->spec.model.levels, .convs = r->spec.model.convs, .down = r->spec.model.down,
                                    .norm = r->spec.model.norm, .groups = r->spec.model.groups, .activation = r->spec.model.activation, .slope = (float)r->spec.model.slope,
                                    .conv_bias = r->spec.model.conv_bias, .patch = {32, 32}, .batch = r->spec.training.batch, .gradients = strategy_gradients(&r->spec.loss), .lanes = lanes};
    for (int i = 0; i < r->spec.model.levels; i++)
        config.widths[i] = r->spec.model.widths[i];
    if (r->micro_batch)
        config.kernels = kernels_of(config, r->micro_batch, ALGORITHM_WINOGRAD);
    struct network *net, *tiles = NULL;
    struct trainer *t = NULL;
    CHECK_INT(network_new(&config, &net, &r->note), OK);
    if (r->spec.validation.tile_rank) {
        config.inference_only = true;
        config.patch[0] = r->spec.validation.tile[0], config.patch[1] = r->spec.validation.tile[1];
        CHECK_INT(network_new(&config, &tiles, &r->note), OK);
    }
    struct trainer_config c = {.spec = &r->spec, .set = &set, .net = net, .validation_net = tiles, .out_dir = ".", .resume = resume, .spec_hash = "0000000000000000000000000000000000000000000000000000000000000000",
                               .made_by = "test", .calls = {.context = r, .points = take_points, .progress = take_progress, .checkpoint = take_checkpoint, .stop = stop_now}};
    r->e = trainer_new(&c, &t, &r->note);
    if (!r->e)
        r->e = trainer_run(t, &r->note);
    r->evaluating = true;
    if (r->other_weights)
        network_init(net, 99);
    if (!r->e && !trainer_result(t)->stopped)
        r->e = trainer_evaluate(t, &r->note);
    if (t)
        r->result = *trainer_result(t);
    if (!r->e && !r->result.stopped)
        CHECK_INT(trainer_previews(t, &r->note), OK);
    trainer_free(t);
    network_free(tiles);
    network_free(net);
}

static struct run *new_run(void)
{
    struct run *r = calloc(1, sizeof *r);
    small_spec(&r->spec);
    r->stop_at = -1;
    return r;
}

/* Points of both, later ones of the same (name, step) in place of earlier ones, must be the same bits. */
static const struct trainer_point *point_of(const struct run *r, const char *name, int64_t step)
{
    for (size_t i = r->count; i-- > 0;)
        if (r->points[i].step == step && !strcmp(r->points[i].name, name))
            return &r->points[i];
    return NULL;
}

static void check_same_points(const struct run *want, const struct run *parts[], int count)
{
    for (size_t i = 0; i < want->count; i++) {
        int seen = 0;
        for (int k = 0; k < count; k++) {
            const struct trainer_point *p = point_of(parts[k], want->points[i].name, want->points[i].step);
            if (!p)
                continue;
            seen++;
            if (memcmp(&p->value, &want->points[i].value, sizeof p->value) != 0)
                check_fail(__FILE__, __LINE__, "%s at %lld: %.17g, want %.17g", want->points[i].name, (long long)want->points[i].step, p->value, want->points[i].value);
        }
        if (!seen)
            check_fail(__FILE__, __LINE__, "%s at %lld is missing", want->points[i].name, (long long)want->points[i].step);
    }
}

static inline void shorten(struct run *r)
{
    r->spec.training.epochs = 2;
    r->spec.training.steps_per_epoch = 4;
    r->spec.training.batch = 3;
}
#endif
