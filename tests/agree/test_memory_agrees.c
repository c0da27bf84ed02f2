/* test_memory_agrees: what a job is predicted to need at submit, against what the network and the optimizers really plan. */
#include "schema/job/job_memory.h"
#include "schema/job/job_spec_json.h"
#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/net/network.h"

static const char *const jobs[] = {
    "{\"dataset\": \"a\"}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [16, 32, 64, 128, 256], \"down\": \"stride\"}, \"training\": {\"batch\": 16}, "
    "\"loss\": {\"strategy\": \"constant\", \"activation\": \"softmax\"}}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [32, 64, 128, 256, 512], \"down\": \"stride\"}, \"training\": {\"batch\": 8, \"patch\": [256, 256]}, "
    "\"loss\": {\"strategy\": \"constant\", \"activation\": \"softmax\"}}",
    "{\"dataset\": \"a\", \"loss\": {\"strategy\": \"separate_optimizers\", \"optimizers\": {}}, \"training\": {\"batch\": 12}}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [5, 9], \"convs\": 1, \"norm\": \"none\"}, \"training\": {\"batch\": 1, \"patch\": [32, 64]}}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [8, 8, 8, 8, 8, 8], \"convs\": 4, \"norm\": \"group\", \"conv_bias\": true}, \"training\": {\"batch\": 2}, "
    "\"optimizer\": {\"type\": \"sgd\"}}",
    "{\"dataset\": \"a\", \"training\": {\"batch\": 2}, \"validation\": {\"tile\": [960, 1000]}}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [64, 128, 256]}, \"training\": {\"batch\": 1, \"patch\": [32, 32]}, \"validation\": {\"tile\": [128, 64]}}",
    "{\"dataset\": \"a\", \"model\": {\"widths\": [64, 256, 1024]}, \"training\": {\"batch\": 2, \"patch\": [64, 64]}}",
};

/* The largest 2-D configuration that nnU-Net plans: 512 x 512, batch 12, eight levels. */
#define NNUNET \
    "{\"dataset\": \"a\", \"model\": {\"widths\": [32, 64, 128, 256, 512, 512, 512, 512], \"convs\": 2, \"down\": \"stride\", \"norm\": \"instance\"}, " \
    "\"loss\": {\"strategy\": \"constant\", \"activation\": \"softmax\"}, \"training\": {\"batch\": 12, \"patch\": [512, 512]}}"

static struct network_config config_of(const struct job_spec *spec, int classes, int lanes, const char *backend)
{
    struct network_config c = {.rank = 2, .in_channels = 3, .out_channels = job_spec_out_channels(spec, classes), .levels = spec->model.levels,
                               .convs = spec->model.convs, .down = spec->model.down, .norm = spec->model.norm, .groups = spec->model.groups,
                               .activation = spec->model.activation, .slope = (float)spec->model.slope, .conv_bias = spec->model.conv_bias,
                               .batch = spec->training.batch, .lanes = lanes, .backend = backend};
    for (int l = 0; l < c.levels; l++) c.widths[l] = spec->model.widths[l];
    c.patch[0] = spec->training.patch[0];
    c.patch[1] = spec->training.patch[1];
    c.gradients = loss_spec_gradients(&spec->loss);
    return c;
}

/* micro_batch: as if given in the job; 0: not given, and the worker took the largest that it may. */
static void compare(const char *text, int lanes, int micro_batch, enum network_algorithm algorithm, const char *backend)
{
    static struct job_spec spec;
    static struct err_list errors;
    struct job_memory predicted;
    struct err_note note;
    size_t planned, parameters;
    CHECK_INT(job_spec_parse(text, strlen(text), &spec, &errors, &errors), OK);
    struct network_config c = config_of(&spec, 2, lanes, backend);
    int taken = micro_batch ? micro_batch : micro_batch_tuned_max(c.batch, c.patch, c.rank);
    taken = taken < c.batch ? taken : c.batch;
    if (micro_batch) {
        const char *word = algorithm == ALGORITHM_WINOGRAD ? "winograd" : "direct";
        spec.kernels.given = true, spec.kernels.micro_batch = taken, spec.kernels.count = 1;
        strcpy(spec.kernels.layers[0].forward, word), strcpy(spec.kernels.layers[0].backward_data, word), strcpy(spec.kernels.layers[0].backward_weights, word);
    }
    c.kernels = kernels_of(c, taken, algorithm);
    enum err e = network_memory_bytes(&c, &planned, &note);
    if (e == ERR_WORD_UNKNOWN) check_skip("no backend %s here", backend);
    if (e) check_fail(__FILE__, __LINE__, "%s: %s", text, note.detail);
    if (spec.validation.tile_rank) {
        size_t tiles;
        c.inference_only = true;
        c.patch[0] = spec.validation.tile[0];
        c.patch[1] = spec.validation.tile[1];
        CHECK_INT(network_memory_bytes(&c, &tiles, &note), OK);
        planned += tiles;
    }
    CHECK_INT(network_parameter_count(&c, &parameters, NULL), OK);
    CHECK_INT(job_memory_predict(&spec, 3, 2, lanes, &predicted), OK);
    CHECK_INT(predicted.parameters, parameters);
    /* beside the network: the moments of each optimizer, in the same padded form */
    int moments = spec.loss.strategy == LOSS_SEPARATE_OPTIMIZERS ? 4 : spec.optimizer.type == OPTIMIZER_SGD ? 1 : 2;
    double real = (double)planned + (double)moments * (double)parameters * 4, guess = (double)predicted.total_bytes - (64 << 20);
    if (guess < real) check_fail(__FILE__, __LINE__, "%s: %.0f bytes predicted, %.0f planned", text, guess, real);
    /* narrow networks are padded to whole blocks of 16 channels in the prediction, on plain C kernels not at all */
    if (guess > 4 * real + (16 << 20)) check_fail(__FILE__, __LINE__, "%s: %.0f bytes predicted, only %.0f planned", text, guess, real);
}

void test_memory_prediction_is_never_below_the_plan_and_within_four_times_it(void)
{
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        for (int lanes = 1; lanes <= 8; lanes *= 8)
            for (int micro_batch = 0; micro_batch <= 8; micro_batch = 3 * micro_batch + 1) compare(jobs[i], lanes, micro_batch, ALGORITHM_DIRECT, "ref");
}

void test_memory_prediction_covers_the_fastest_backend(void)
{
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++)
        for (int which = 0; which < 6; which++) compare(jobs[i], 2, which / 2, which % 2 ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT, NULL);
}

void test_memory_of_nnunets_largest_plan_fits_into_24_gb_on_two_lanes(void)
{
    static struct job_spec spec;
    static struct err_list errors;
    struct job_memory predicted;
    CHECK_INT(job_spec_parse(NNUNET, strlen(NNUNET), &spec, &errors, &errors), OK);
    CHECK_INT(job_memory_predict(&spec, 1, 2, 2, &predicted), OK);
    CHECK_INT(predicted.total_bytes, 16888863040);
    CHECK(predicted.total_bytes < 24000000000);
    for (int micro_batch = 0; micro_batch <= 4; micro_batch += 2) compare(NNUNET, 2, micro_batch, ALGORITHM_WINOGRAD, NULL);
}
