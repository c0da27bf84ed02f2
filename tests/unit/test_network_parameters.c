/* test_network_parameters: the table, both forms of the parameters, initialisation, memory and refusals. */
#include <malloc.h>
#include <math.h>

#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/net/network_inside.h"

void test_network_names_its_parameters_in_order(void)
{
    struct network_config c = config_tiny();
    struct network *net;
    int count;
    c.conv_bias = true;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    const struct network_parameter *p = network_parameters(net, &count);
    static const char *const first[] = {"encoder.0.conv.0.weight", "encoder.0.conv.0.bias", "encoder.0.norm.0.weight", "encoder.0.norm.0.bias", "encoder.0.conv.1.weight"};
    for (int i = 0; i < 5; i++) CHECK_TEXT(p[i].name, first[i]);
    CHECK_TEXT(p[count - 1].name, "head.bias");
    CHECK_TEXT(p[count - 2].name, "head.weight");
    size_t offset = 0;
    for (int i = 0; i < count; i++) {
        size_t product = 1;
        for (int k = 0; k < p[i].rank; k++) product *= (size_t)p[i].dims[k];
        CHECK_INT(p[i].offset, offset);
        CHECK_INT(p[i].count, product);
        offset += product;
        if (!strcmp(p[i].name, "decoder.1.up.weight")) CHECK(p[i].dims[0] == 5 && p[i].dims[1] == 4 && p[i].dims[2] == 2 && p[i].dims[3] == 2);
        if (!strcmp(p[i].name, "decoder.0.conv.0.weight")) CHECK(p[i].dims[0] == 3 && p[i].dims[1] == 6 && p[i].dims[2] == 3 && p[i].dims[3] == 3);
    }
    size_t want;
    CHECK_INT(network_parameter_count(&c, &want, NULL), OK);
    CHECK_INT(offset, want);
    network_free(net);
}

void test_network_parameters_go_in_and_out_without_loss(void)
{
    for (int block = 1; block <= 16; block *= 2) {
        struct network_config c = config_tiny();
        struct backend backend = backend_ref_float(block);
        struct network *net;
        size_t count, nonzero = 0;
        CHECK_INT(network_parameter_count(&c, &count, NULL), OK);
        CHECK_INT(network_new_on(&c, &backend, &net, NULL), OK);
        float *in = malloc(count * sizeof *in), *out = malloc(count * sizeof *out);
        for (size_t i = 0; i < count; i++) in[i] = (float)(i + 1);
        network_set_parameters(net, in);
        network_get_parameters(net, out);
        CHECK(memcmp(in, out, count * sizeof *in) == 0);
        for (size_t i = 0; i < network_arena_count(net); i++) nonzero += network_weights(net)[i] != 0;
        CHECK_INT(nonzero, count); /* each has a place of its own; the padding is zero */
        free(in), free(out);
        network_free(net);
    }
}

void test_network_init_is_pytorchs_default(void)
{
    struct network_config c = config_tiny();
    struct network *net;
    int tensors;
    size_t count;
    c.conv_bias = true;
    CHECK_INT(network_parameter_count(&c, &count, NULL), OK);
    CHECK_INT(network_new(&c, &net, NULL), OK);
    const struct network_parameter *p = network_parameters(net, &tensors);
    float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
    network_init(net, 1);
    network_get_parameters(net, a);
    network_init(net, 2);
    network_get_parameters(net, b);
    for (int i = 0; i < tensors; i++) {
        const float *v = a + p[i].offset;
        if (strstr(p[i].name, "norm")) {
            for (size_t k = 0; k < p[i].count; k++) CHECK(v[k] == (strstr(p[i].name, "weight") ? 1 : 0));
            continue;
        }
        const struct network_parameter *w = strstr(p[i].name, "bias") ? &p[i - 1] : &p[i];
        float fan_in = (float)(w->dims[1] * w->dims[2] * w->dims[3]), most = 0, bound = 1 / sqrtf(fan_in); /* PyTorch: size(1) * receptive field */
        int differ = 0;
        for (size_t k = 0; k < p[i].count; k++) {
            most = fmaxf(most, fabsf(v[k]));
            differ += v[k] != b[p[i].offset + k];
        }
        CHECK(most <= bound && differ > 0);
        if (p[i].count >= 100) CHECK(most > 0.9f * bound);
    }
    free(a), free(b);
    network_free(net);
}

/* ---- memory ------------------------------------------------------------------------------------------ */
static long resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%ld %ld", &pages, &resident) == 2);
    fclose(f);
    return resident * 4096;
}

void test_network_uses_the_memory_it_predicts_and_allocates_nothing_later(void)
{
    struct network_config c = config_xs();
    struct network *net;
    size_t predicted;
    c.batch = 4;
    c.patch[0] = c.patch[1] = 64;
    c.lanes = 2;
    c.gradients = 2;
    c.kernels = kernels_of(c, 3, ALGORITHM_WINOGRAD);
    CHECK_INT(network_memory_bytes(&c, &predicted, NULL), OK);
    long before = resident_bytes();
    CHECK_INT(network_new(&c, &net, NULL), OK);
    CHECK_INT(network_memory_used(net), predicted);
    network_init(net, 1);
    float *data = calloc(64 * 64, sizeof *data);
    const float *images[4] = {data, data, data, data};
    size_t heap = 0, grown = 0;
    for (int step = 0; step < 24; step++) {
        network_forward(net, 4, images);
        network_backward_both(net, 4);
        size_t now = mallinfo2().uordblks;
        if (step > 0 && now > heap) grown += now - heap;
        heap = now;
    }
    /* oneDNN takes and frees small pieces in a call; a lane's cache of freed ones, which counts as taken, fills when it first works */
    if (grown > 1024) check_fail(__FILE__, __LINE__, "the heap grew by %zu bytes in 23 steps", grown);
    const char *san = getenv("TANDEM_SAN");
    if (!san || !*san) { /* sanitizers keep books of their own; 8 MiB: generated kernels, stacks, the libraries' own tables */
        double taken = (double)(resident_bytes() - before);
        CHECK_NEAR(taken, (double)predicted, 0.02 * (double)predicted + 8e6);
    }
    free(data);
    network_free(net);
}

void test_network_memory_is_predicted_before_it_cannot_be_had(void)
{
    struct network_config c = config_s();
    struct network *net;
    struct err_note note;
    size_t predicted;
    c.batch = 4096;
    c.patch[0] = c.patch[1] = 16384;
    CHECK_INT(network_memory_bytes(&c, &predicted, &note), OK);
    CHECK(predicted / 4096 > (size_t)350e9);
    c.batch = 8;
    CHECK_INT(network_memory_bytes(&c, &predicted, &note), OK);
    CHECK(predicted > (size_t)1e12);
    c.batch = 4096;
    CHECK_INT(network_new(&c, &net, &note), ERR_NO_MEMORY);
    CHECK(net == NULL);
    CHECK_HAS(note.detail, "MiB");
}

/* ---- refusals ---------------------------------------------------------------------------------------- */
static void check_refused(struct network_config c, enum err code, const char *pointer, const char *part)
{
    struct network *net;
    struct err_note note;
    size_t bytes;
    CHECK_INT(network_new(&c, &net, &note), code);
    CHECK_TEXT(note.pointer, pointer);
    CHECK_HAS(note.detail, part);
    CHECK_INT(network_memory_bytes(&c, &bytes, NULL), code);
}

void test_network_refusals_name_the_field(void)
{
    struct network_config c = config_tiny();
    c.patch[1] = 10;
    check_refused(c, ERR_RANGE, "/training/patch/1", "multiples of 4");
    c = config_tiny();
    c.patch[0] = c.patch[1] = 4;
    check_refused(c, ERR_RANGE, "/training/patch", "more than one pixel");
    c = config_tiny();
    c.rank = 3;
    check_refused(c, ERR_NOT_BUILT, "/training/patch", "volumes");
    c = config_tiny();
    c.widths[2] = 0;
    check_refused(c, ERR_RANGE, "/model/widths/2", "1 to 4096");
    c = config_tiny();
    c.norm = MODEL_NORM_GROUP;
    c.groups = 2;
    check_refused(c, ERR_RANGE, "/model/widths/0", "multiples of the 2 groups");
    c = config_tiny();
    c.slope = 1.5f;
    check_refused(c, ERR_RANGE, "/model/slope", "1.5");
    c = config_tiny();
    c.backend = "abacus";
    check_refused(c, ERR_WORD_UNKNOWN, "backend", "ref");
}

void test_network_kernels_are_filled_kept_and_checked(void)
{
    struct network_config c = config_tiny();
    struct network *net;
    struct err_note note;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    static struct network_kernels k;
    k = *network_kernels(net);
    CHECK_INT(k.micro_batch, 1);
    CHECK_INT(k.layers, 10);
    CHECK_TEXT(k.layer[0].name, "encoder.0.conv.0");
    CHECK_TEXT(k.layer[9].name, "decoder.0.conv.1");
    CHECK(!network_kernels_changed(net));
    network_free(net);
    c.kernels = &k;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    CHECK(!network_kernels_changed(net) && memcmp(network_kernels(net), &k, sizeof k) == 0);
    network_free(net);
    c.backend = "ref"; /* it has no Winograd: said, not silent */
    k.layer[3].forward = ALGORITHM_WINOGRAD;
    CHECK_INT(network_new(&c, &net, NULL), OK);
    CHECK(network_kernels_changed(net) && network_kernels(net)->layer[3].forward == ALGORITHM_DIRECT);
    network_free(net);
    k.layers = 9;
    CHECK_INT(network_new(&c, &net, &note), ERR_RANGE);
    CHECK_TEXT(note.pointer, "/kernels/layers");
    k.layers = 10;
    for (int i = 0; i < 2; i++) {
        k.micro_batch = i ? c.batch + 1 : 0;
        CHECK_INT(network_new(&c, &net, &note), ERR_RANGE);
        CHECK_TEXT(note.pointer, "/kernels/micro_batch");
        CHECK_HAS(note.detail, "1 to 5");
    }
}
