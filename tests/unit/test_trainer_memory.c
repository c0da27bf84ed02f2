/* test_trainer_memory: after its first steps a run allocates nothing of its own and does not grow. */
#include <math.h>

#include "tests/allocation_count.h"
#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/data/generate.h"
#include "worker/train/strategy.h"
#include "worker/train/trainer.h"

enum { WARM = 20, STEPS = 1000 };
struct watch {
    int64_t steps;
    long calls[2], resident[2]; /* at step WARM, at the last */
};

static long resident_bytes(void)
{
    char line[64] = "";
    FILE *f = fopen("/proc/self/statm", "r"); /* allocates inside libc: not counted, and freed again */
    long pages = 0, resident = 0;
    CHECK(f && fgets(line, sizeof line, f) && sscanf(line, "%ld %ld", &pages, &resident) == 2);
    fclose(f);
    return resident * 4096;
}

static void take_progress(void *context, const struct trainer_progress *p)
{
    struct watch *w = context;
    if (p->validating || isnan(p->dice)) return;
    w->steps++;
    if (w->steps != WARM && w->steps != STEPS) return;
    w->calls[w->steps == STEPS] = allocation_count();
    w->resident[w->steps == STEPS] = resident_bytes();
}

static bool enough(void *context)
{
    return ((const struct watch *)context)->steps >= STEPS;
}

static void run_of_many_steps(struct watch *w, bool two)
{
    static struct dataset set;
    static struct job_spec spec;
    struct generator g = GENERATOR_DEFAULT;
    g.images = 4, g.size = 24;
    CHECK_INT(generate_dataset(&g, &set, NULL), OK);
    job_spec_default(&spec);
    spec.model.levels = 2;
    spec.model.widths[0] = spec.model.widths[1] = 8;
    spec.training.epochs = 2, spec.training.steps_per_epoch = STEPS, spec.training.batch = 2;
    spec.training.rank = 2, spec.training.patch[0] = spec.training.patch[1] = 16;
    spec.optimizer.clip_norm = 1;
    if (two) {
        spec.loss.strategy = LOSS_SEPARATE_OPTIMIZERS;
        spec.loss.optimizers.mode = LOSS_SIMULTANEOUS;
        spec.loss.optimizers.dice.lr = spec.loss.optimizers.ce.lr = 1e-3;
    }
    struct network_config c = {.rank = 2, .in_channels = 1, .out_channels = job_spec_out_channels(&spec, (int)set.num_classes), .levels = 2, .widths = {8, 8},
                               .convs = spec.model.convs, .down = spec.model.down, .norm = spec.model.norm, .groups = spec.model.groups,
                               .activation = spec.model.activation, .slope = (float)spec.model.slope, .patch = {16, 16}, .batch = 2,
                               .gradients = strategy_gradients(&spec.loss), .lanes = 2};
    c.kernels = kernels_of(c, 2, ALGORITHM_WINOGRAD);
    struct network *net;
    struct trainer *t;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    struct trainer_config config = {.spec = &spec, .set = &set, .net = net, .out_dir = ".", .made_by = "test",
                                    .spec_hash = "0000000000000000000000000000000000000000000000000000000000000000",
                                    .calls = {.context = w, .progress = take_progress, .stop = enough}};
    CHECK_INT(trainer_new(&config, &t, NULL), OK);
    CHECK_INT(trainer_run(t, NULL), OK);
    trainer_free(t);
    network_free(net);
    dataset_free(&set);
}

void test_trainer_allocates_nothing_and_does_not_grow_over_a_thousand_steps(void)
{
    for (int two = 0; two < 2; two++) {
        struct watch w = {0};
        run_of_many_steps(&w, two);
        CHECK_INT(w.steps, STEPS);
        CHECK(w.calls[0] > 0);
        CHECK_INT(w.calls[1] - w.calls[0], 0);
        const char *san = getenv("TANDEM_SAN");
        if (!san || !*san) CHECK_NEAR((double)w.resident[1], (double)w.resident[0], 256e3); /* libraries' heaps may settle by a few pages */
    }
}
