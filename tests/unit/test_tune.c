/* test_tune: choosing kernels: complete, accepted by the network, a function of the table, and never measured twice. */
#include <sys/stat.h>
#include <unistd.h>
#include "schema/job/job_memory.h"
#include "schema/job/job_spec_json.h"
#include "tests/check.h"
#include "tests/unit/net_fixture.h"
#include "worker/net/tune.h"
#include "worker/run/model_file.h"
#include "worker/run/run_kernels.h"
#include "worker/run/tuning_file.h"

static struct network_config config_of(void)
{
    struct network_config c = config_tiny();
    c.widths[0] = 16, c.widths[1] = 24;
    c.patch[0] = 32, c.patch[1] = 24;
    c.batch = 4;
    c.lanes = 2;
    return c;
}

static struct tune_table *new_table(void)
{
    static struct tune_table table;
    memset(&table, 0, sizeof table);
    return &table;
}

void test_tune_names_every_layer_in_a_form_that_the_network_takes_unchanged(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels kernels;
    struct network *net;
    struct err_note note = {0};
    CHECK_INT(network_tune(&c, table, &kernels, &note), OK);
    CHECK(kernels.micro_batch >= 1 && kernels.micro_batch <= MICRO_BATCH_TUNED_MAX && kernels.micro_batch <= c.batch / c.lanes);
    c.kernels = &kernels;
    CHECK_INT(network_new(&c, &net, &note), OK);
    CHECK(!network_kernels_changed(net));
    CHECK(memcmp(network_kernels(net), &kernels, sizeof kernels) == 0);
    network_free(net);
}

void test_tune_measures_nothing_that_the_table_knows(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels first, second;
    CHECK_INT(network_tune(&c, table, &first, NULL), OK);
    int count = table->count;
    CHECK_INT(network_tune(&c, table, &second, NULL), OK);
    CHECK_INT(table->count, count);
    CHECK(memcmp(&first, &second, sizeof first) == 0);
}

/* A table in which Winograd is `factor` times as slow as direct (both of backward in one as slow as one and the other), and companions cost
   nothing. */
static void fill_table(struct tune_table *table, double factor, double of_company)
{
    for (int i = 0; i < table->count; i++) {
        struct tune_entry *e = &table->entry[i];
        if (e->ns <= 0) continue;
        e->prepare_ns = 0;
        e->ns = 1e6 * (e->algorithm == ALGORITHM_WINOGRAD ? factor : 1) * (e->samples > 1 ? of_company : 1) * (e->kind == TUNE_BACKWARD ? 2 : 1);
    }
}

/* Into the table all that a choice may ask for, whatever it says: backward in one is asked for where its kinds are not Winograd's. Is there
   any of Winograd's? */
static bool measure_all(const struct network_config *c, struct tune_table *table)
{
    struct network_kernels k;
    bool possible = false;
    CHECK_INT(network_tune(c, table, &k, NULL), OK);
    fill_table(table, 2, 1);
    CHECK_INT(network_tune(c, table, &k, NULL), OK);
    for (int i = 0; i < table->count; i++) possible |= table->entry[i].algorithm == ALGORITHM_WINOGRAD && table->entry[i].ns > 0;
    return possible;
}

static bool has(const struct network_kernels *k, enum network_algorithm algorithm)
{
    for (int i = 0; i < k->layers; i++)
        if (k->layer[i].forward == algorithm || k->layer[i].backward_data == algorithm || k->layer[i].backward_weights == algorithm) return true;
    return false;
}

void test_tune_takes_the_faster_algorithm_and_the_micro_batch_that_pays(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    if (!measure_all(&c, table)) check_skip("the fastest backend here has no Winograd kernels");
    fill_table(table, 0.5, 1);
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK(has(&k, ALGORITHM_WINOGRAD));
    fill_table(table, 2, 1);
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK(!has(&k, ALGORITHM_WINOGRAD));
    fill_table(table, 0.5, 0.5);
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK_INT(k.micro_batch, 2); /* four would leave one of the two lanes idle */
    fill_table(table, 0.5, 1.015);
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK_INT(k.micro_batch, 2); /* timings do not tell these apart: the larger */
    fill_table(table, 0.5, 3);
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK_INT(k.micro_batch, 1);
}

/* Backward in one may be worth it where neither of its kinds is by itself, and is not taken where it is not. */
void test_tune_takes_both_kinds_of_backward_where_they_are_faster_in_one(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    if (!measure_all(&c, table)) check_skip("the fastest backend here has no Winograd kernels");
    for (int worth = 0; worth <= 1; worth++) {
        fill_table(table, 1.2, 1);
        for (int i = 0; i < table->count; i++)
            if (table->entry[i].kind == TUNE_BACKWARD && worth) table->entry[i].ns /= 2;
        CHECK_INT(network_tune(&c, table, &k, NULL), OK);
        int joined = 0;
        for (int i = 0; i < k.layers; i++) {
            CHECK(k.layer[i].forward == ALGORITHM_DIRECT && k.layer[i].backward_data == k.layer[i].backward_weights);
            joined += k.layer[i].backward_data == ALGORITHM_WINOGRAD;
        }
        CHECK_INT(joined, worth ? k.layers - 1 : 0); /* all but the first, which reads the image */
    }
}

/* Two layers of 16 channels on the same pixels, of stride 1 and of stride 2. */
void test_tune_tells_layers_apart_by_their_stride(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    int layers = 0;
    c.widths[0] = c.widths[1] = 16;
    if (!measure_all(&c, table)) check_skip("the fastest backend here has no Winograd kernels");
    fill_table(table, 0.5, 1);
    for (int i = 0; i < table->count; i++)
        if (table->entry[i].stride == 2 && table->entry[i].algorithm == ALGORITHM_WINOGRAD) table->entry[i].ns *= 4;
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    for (int i = 0; i < k.layers; i++) {
        bool same = !strcmp(k.layer[i].name, "encoder.0.conv.1"), strided = !strcmp(k.layer[i].name, "encoder.1.conv.0");
        layers += same + strided;
        if (same || strided) CHECK_INT(k.layer[i].forward, same ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT);
    }
    CHECK_INT(layers, 2);
}

/* Timed again and again a kernel finds its weights in the cache; in a step it reads them from memory, and Winograd's are four times as many. */
void test_tune_counts_the_reading_of_weights(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    c.widths[1] = 256;
    c.batch = c.lanes = 1;
    if (!measure_all(&c, table)) check_skip("the fastest backend here has no Winograd kernels");
    fill_table(table, 0.9, 1); /* 0.1 ms faster, but 0.7 ms of weights more where 256 channels meet 256 */
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    for (int i = 0; i < k.layers; i++) {
        if (!strcmp(k.layer[i].name, "encoder.0.conv.1"))
            CHECK(k.layer[i].forward == ALGORITHM_WINOGRAD && k.layer[i].backward_data == ALGORITHM_WINOGRAD && k.layer[i].backward_weights == ALGORITHM_WINOGRAD);
        if (!strcmp(k.layer[i].name, "encoder.1.conv.1"))
            CHECK(k.layer[i].forward == ALGORITHM_DIRECT && k.layer[i].backward_data == ALGORITHM_DIRECT && k.layer[i].backward_weights == ALGORITHM_WINOGRAD);
    }
}

/* Winograd's kernels read what a norm reads; direct ones want it written first. What a pool reads is written for it in any case. */
void test_tune_counts_what_a_norm_writes_for_a_direct_kernel_alone(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    int seen = 0;
    c.patch[0] = c.patch[1] = 64;
    c.widths[0] = 16;
    if (!measure_all(&c, table)) check_skip("the fastest backend here has no Winograd kernels");
    for (int pools = 0; pools <= 1; pools++) {
        c.down = pools ? MODEL_DOWN_MAXPOOL : MODEL_DOWN_STRIDE;
        measure_all(&c, table);
        fill_table(table, 0.99, 1); /* less than what counts as faster; 4,096 pixels of 16 channels written for nothing are 5 % */
        CHECK_INT(network_tune(&c, table, &k, NULL), OK);
        for (int i = 0; i < k.layers; i++) {
            bool own = !strcmp(k.layer[i].name, "encoder.0.conv.1") || !strcmp(k.layer[i].name, "decoder.0.conv.1");
            bool skip = !strcmp(k.layer[i].name, "encoder.1.conv.0") || !strcmp(k.layer[i].name, "decoder.0.conv.0"), wins = own || (skip && !pools);
            if (!own && !skip) continue;
            CHECK((k.layer[i].forward == ALGORITHM_WINOGRAD) == wins && (k.layer[i].backward_weights == ALGORITHM_WINOGRAD) == wins);
            CHECK(k.layer[i].backward_data == ALGORITHM_DIRECT);
            seen++;
        }
    }
    CHECK_INT(seen, 8);
}

/* A forward pass that loses and backward passes that win by company: two gradients have one of the first and two of the others. */
void test_tune_counts_a_backward_pass_for_each_gradient(void)
{
    struct network_config c = config_of();
    struct tune_table *table = new_table();
    struct network_kernels k;
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    fill_table(table, 0.5, 1);
    for (int i = 0; i < table->count; i++)
        if (table->entry[i].samples > 1) table->entry[i].ns *= table->entry[i].kind == TUNE_FORWARD ? 1.6 : 0.8;
    bool possible = false;
    for (int i = 0; i < table->count; i++) possible |= table->entry[i].algorithm == ALGORITHM_WINOGRAD && table->entry[i].ns > 0;
    if (!possible) check_skip("the fastest backend here has no Winograd kernels");
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK_INT(k.micro_batch, 1);
    c.gradients = 2;
    CHECK_INT(network_tune(&c, table, &k, NULL), OK);
    CHECK_INT(k.micro_batch, 2);
}

/* ---- the file ------------------------------------------------------------------------------------------ */
void test_tuning_file_gives_back_what_was_appended_and_skips_what_is_no_line_of_this_machine(void)
{
    struct tuning_file file;
    struct tune_table *table = new_table(), before;
    struct err_note note;
    CHECK_INT(tuning_file_open(&file, "tuning.txt", "avx2", &note), OK);
    table->count = 2;
    table->entry[0] = (struct tune_entry){8, 32, 24, 16, 24, 2, TUNE_BACKWARD_DATA, ALGORITHM_WINOGRAD, 2, 1234, 56};
    table->entry[1] = (struct tune_entry){8, 32, 24, 16, 24, 1, TUNE_FORWARD, ALGORITHM_DIRECT, 1, 99, 0};
    before = *table;
    CHECK_INT(tuning_file_append(&file, table, &note), OK);
    FILE *f = fopen("tuning.txt", "a");
    CHECK(f && fprintf(f, "0123456789abcdef 8 1 1 8 8 1 forward direct 1 5 0\n%s 8 1 1 8 8 1 sideways direct 1 5 0\n"
                          "%s 8 1 1 8 8 forward direct 1 5 0\n%s 8 1 1", file.machine, file.machine, file.machine) > 0 && fclose(f) == 0);
    tuning_file_read(&file, table);
    CHECK_INT(table->count, 2);
    CHECK_INT(table->known, 2);
    for (int i = 0; i < 2; i++) CHECK(memcmp(&table->entry[i], &before.entry[i], sizeof before.entry[0]) == 0);
    table->entry[table->count++] = (struct tune_entry){8, 7, 7, 8, 8, 1, TUNE_FORWARD, ALGORITHM_DIRECT, 1, 7, 0}; /* behind the torn line */
    CHECK_INT(tuning_file_append(&file, table, &note), OK);
    tuning_file_read(&file, table);
    CHECK_INT(table->count, 3);
    CHECK_INT(table->entry[2].rows, 7);
    tuning_file_close(&file);
    CHECK_INT(tuning_file_open(&file, "tuning.txt", "avx512", &note), OK); /* another machine */
    tuning_file_read(&file, table);
    CHECK_INT(table->count, 0);
    tuning_file_close(&file);
}

void test_tuning_file_that_cannot_be_had_says_so_and_costs_nothing_else(void)
{
    struct tuning_file file;
    struct err_note note = {0};
    struct tune_table *table = new_table();
    CHECK_INT(tuning_file_open(&file, "no/such/folder/tuning.txt", "avx2", &note), ERR_IO);
    CHECK_TEXT(note.detail, "cannot open no/such/folder/tuning.txt: No such file or directory");
    tuning_file_read(&file, table);
    CHECK_INT(table->count, 0);
    CHECK_INT(tuning_file_append(&file, table, &note), OK);
    CHECK_INT(tuning_file_open(&file, NULL, "avx2", &note), OK);
    CHECK_INT(file.fd, -1);
}

/* ---- given, remembered, measured ------------------------------------------------------------------------- */
static const char *const job = "{\"dataset\": \"a\", \"model\": {\"widths\": [8, 16], \"convs\": 1}, \"training\": {\"batch\": 4, \"patch\": [32, 32]}%s}";
static const char *const kernels = ", \"kernels\": {\"micro_batch\": 3, \"layers\": []}";

static void read_spec(const char *more, struct job_spec *spec, char hash[65])
{
    static struct err_list errors, warnings;
    char text[512];
    snprintf(text, sizeof text, job, more);
    CHECK_INT(job_spec_parse(text, strlen(text), spec, &errors, &warnings), OK);
    job_spec_hash(spec, hash);
}

void test_run_kernels_are_the_given_ones_else_those_of_the_run_that_goes_on_else_measured(void)
{
    static struct run_kernels rk;
    static struct job_spec plain, given;
    char hash[65], same[65];
    struct network_config c;
    struct err_note warning;
    rk.file.fd = -1;
    read_spec("", &plain, hash);
    read_spec(kernels, &given, same);
    CHECK_TEXT(same, hash); /* the kernels are no part of what a job is */
    model_network_config(&plain, 1, 2, &c);
    c.lanes = 1;
    CHECK_INT(run_kernels_choose(&rk, &given, hash, &c, ".", false, &warning, NULL), OK);
    CHECK(!rk.tuned);
    CHECK_INT(rk.kernels.micro_batch, 3);
    CHECK_INT(run_kernels_write(&given, ".", NULL), OK);
    rk.kernels.micro_batch = 0;
    CHECK_INT(run_kernels_choose(&rk, &plain, hash, &c, ".", true, &warning, NULL), OK);
    CHECK(!rk.tuned);
    CHECK_INT(rk.kernels.micro_batch, 3);
    CHECK_INT(run_kernels_choose(&rk, &plain, "another job", &c, ".", true, &warning, NULL), OK);
    CHECK(rk.tuned);
    CHECK_INT(rk.kernels.layers, 3);
    rk.tuned = false;
    CHECK_INT(run_kernels_choose(&rk, &plain, hash, &c, ".", false, &warning, NULL), OK); /* a new start, whatever lies there */
    CHECK(rk.tuned);
}
