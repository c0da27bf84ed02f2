/* tandem_train: the training core as a program: a job file, data and a folder in; a model, curves and JSON lines out. */
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "schema/base/log.h"
#include "worker/data/archive_unpack.h"
#include "worker/data/dataset.h"
#include "worker/data/generate.h"
#include "worker/run/predict_images.h"
#include "worker/run/run_failure.h"
#include "worker/run/run_job.h"
#include "worker/train/checkpoint.h"
#include "worker/train/export.h"

static const char usage[] =
    "tandem-train JOB.json --data DIR --out DIR      train a job; writes model.safetensors, model.json, curves, previews\n"
    "    --resume FILE     go on from a checkpoint (DIR/checkpoint-last)\n"
    "    --threads N       lanes; 0 = as the job says, else all processors of this process\n"
    "    --events-fd N     JSON lines for a parent instead of a progress line\n"
    "    --backend NAME    dnnl | ref; without it the fastest that this machine has\n"
    "    --tuning FILE     keep there how fast each convolution runs here, so that the next job need not measure\n"
    "    --profile         measure, and print at the end where the time went, layer by layer\n"
    "tandem-train predict --model DIR --images DIR --out DIR [--overlap F] [--threads N]\n"
    "                      masks of class indices and coloured ones for a folder of PNG and JPEG files\n"
    "tandem-train check --data DIR                   check a data set; prints images, sizes, pixels of each class\n"
    "tandem-train hash DIR|CHECKPOINT                sha256 of the weights in a checkpoint (DIR/checkpoint-last)\n"
    "tandem-train unpack ARCHIVE --out DIR           unpack an uploaded data set; prints the folder of dataset.json\n"
    "tandem-train generate --out DIR [--seed N]   write an example data set\n"
    "exit codes: 0 done, 64 usage, 65 job or data refused, 70 internal, 71 memory, 73 disk full, 75 stopped by TERM, 76 diverged\n";

struct arguments {
    const char *data, *out, *resume, *model, *images, *backend, *tuning;
    long threads, events_fd, seed, profile;
    double overlap;
    const char *rest[2]; /* what is no option */
    int rest_count;
};

enum argument_kind { ARGUMENT_TEXT, ARGUMENT_LONG, ARGUMENT_REAL, ARGUMENT_FLAG };
struct argument_row {
    const char *flag;
    enum argument_kind kind;
    size_t offset;
    double min, max;
};
#define ROW(flag, kind, member, min, max) {flag, kind, offsetof(struct arguments, member), min, max}
static const struct argument_row rows[] = {
    ROW("--data", ARGUMENT_TEXT, data, 0, 0), ROW("--out", ARGUMENT_TEXT, out, 0, 0), ROW("--resume", ARGUMENT_TEXT, resume, 0, 0),
    ROW("--model", ARGUMENT_TEXT, model, 0, 0), ROW("--images", ARGUMENT_TEXT, images, 0, 0), ROW("--backend", ARGUMENT_TEXT, backend, 0, 0), ROW("--tuning", ARGUMENT_TEXT, tuning, 0, 0),
    ROW("--threads", ARGUMENT_LONG, threads, 0, 256), ROW("--events-fd", ARGUMENT_LONG, events_fd, 3, 1 << 20), ROW("--seed", ARGUMENT_LONG, seed, 0, 1e15),
    ROW("--overlap", ARGUMENT_REAL, overlap, 0, 0.9), ROW("--profile", ARGUMENT_FLAG, profile, 0, 0),
};

static int set_number(const struct argument_row *row, const char *text, struct arguments *a)
{
    char *end;
    double value = strtod(text, &end);
    if (*end || end == text || !(value >= row->min && value <= row->max) || (row->kind == ARGUMENT_LONG && value != (double)(long)value)) {
        fprintf(stderr, "tandem-train: %s %s: a number from %g to %g is wanted\n", row->flag, text, row->min, row->max);
        return 0;
    }
    if (row->kind == ARGUMENT_LONG)
        *(long *)(void *)((char *)a + row->offset) = (long)value;
    else
        *(double *)(void *)((char *)a + row->offset) = value;
    return 1;
}

static int read_arguments(int count, char **words, struct arguments *a)
{
    *a = (struct arguments){.events_fd = -1, .seed = 1, .overlap = -1};
    for (int i = 0; i < count; i++) {
        const struct argument_row *row = NULL;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            if (!strcmp(words[i], rows[k].flag))
                row = &rows[k];
        if (!row && (words[i][0] == '-' || a->rest_count == 2)) {
            fprintf(stderr, "tandem-train: unknown argument %s; see tandem-train --help\n", words[i]);
            return 0;
        }
        if (!row) {
            a->rest[a->rest_count++] = words[i];
            continue;
        }
        if (row->kind == ARGUMENT_FLAG) {
            *(long *)(void *)((char *)a + row->offset) = 1;
            continue;
        }
        if (++i == count) {
            fprintf(stderr, "tandem-train: %s wants a value\n", row->flag);
            return 0;
        }
        if (row->kind == ARGUMENT_TEXT)
            *(const char **)(void *)((char *)a + row->offset) = words[i];
        else if (!set_number(row, words[i], a))
            return 0;
    }
    return 1;
}

static int missing(const char *what)
{
    fprintf(stderr, "tandem-train: %s is missing; see tandem-train --help\n", what);
    return EXIT_USAGE;
}

static int fail(enum err e, const struct err_note *note)
{
    fprintf(stderr, "tandem-train: %s: %s\n", run_failure_class(e), note->detail);
    return run_exit_code(e);
}

static int verb_train(const struct arguments *a)
{
    if (!a->out)
        return missing("--out DIR");
    struct run_options o = {.job = a->rest[0], .data = a->data, .out = a->out, .resume = a->resume, .backend = a->backend, .threads = (int)a->threads, .events_fd = (int)a->events_fd, .tuning = a->tuning, .profile = a->profile};
    return run_job(&o);
}

static int verb_predict(const struct arguments *a)
{
    struct err_note note = {0};
    if (!a->model || !a->images || !a->out)
        return missing(!a->model ? "--model DIR" : !a->images ? "--images DIR" : "--out DIR");
    struct predict_options o = {.model = a->model, .images = a->images, .out = a->out, .backend = a->backend, .threads = (int)a->threads, .overlap = a->overlap};
    enum err e = predict_images(&o, stdout, &note);
    return e ? fail(e, &note) : EXIT_OK;
}

static int verb_check(const struct arguments *a)
{
    struct dataset set = {0};
    char *text = NULL;
    const char *data = a->data ? a->data : a->rest[1];
    if (!data)
        return missing("--data DIR");
    struct err_list *mistakes = calloc(1, sizeof *mistakes);
    if (!mistakes)
        return EXIT_MEMORY;
    enum err e = dataset_check(data, &set, mistakes);
    for (size_t i = 0; i < mistakes->count; i++)
        fprintf(stderr, "tandem-train: %s%s%s\n", mistakes->notes[i].detail, mistakes->notes[i].found[0] ? "; found: " : "", mistakes->notes[i].found);
    if (mistakes->dropped)
        fprintf(stderr, "tandem-train: and %zu more\n", mistakes->dropped);
    if (!e && dataset_report(&set, &text) == OK)
        fputs(text, stdout);
    free(text);
    free(mistakes);
    dataset_free(&set);
    return run_exit_code(e);
}

static int verb_hash(const struct arguments *a)
{
    char path[4096], hex[SHA256_HEX];
    struct stat st;
    struct checkpoint c;
    struct err_note note = {0};
    if (!a->rest[1])
        return missing("a folder or a checkpoint");
    err_print(path, sizeof path, "%s%s", a->rest[1], stat(a->rest[1], &st) == 0 && S_ISDIR(st.st_mode) ? "/checkpoint-last" : "");
    enum err e = checkpoint_read(path, NULL, 0, &c, &note);
    if (e)
        return fail(e, &note);
    export_weights_sha256(c.weights, (size_t)c.parameters, hex);
    printf("%s  epoch %lld, step %lld, %llu parameters\n", hex, (long long)c.epoch, (long long)c.step, (unsigned long long)c.parameters);
    checkpoint_free(&c);
    return EXIT_OK;
}

static int verb_unpack(const struct arguments *a)
{
    char *root = NULL;
    struct err_note note = {0};
    if (!a->rest[1] || !a->out)
        return missing(!a->rest[1] ? "an archive" : "--out DIR");
    enum err e = OK;
    if (mkdir(a->out, 0755) < 0 && errno != EEXIST)
        e = err_set(&note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, a->out, "cannot make %s: %s", a->out, strerror(errno));
    if (!e)
        e = archive_unpack(a->rest[1], a->out, &archive_limits_default, &root, &note);
    if (e)
        return fail(e, &note);
    printf("%s\n", root);
    free(root);
    return EXIT_OK;
}

static int verb_generate(const struct arguments *a)
{
    struct generator g = GENERATOR_DEFAULT;
    struct err_note note = {0};
    if (!a->out)
        return missing("--out DIR");
    g.seed = (uint64_t)a->seed;
    enum err e = generate_write_folder(&g, a->out, &note);
    return e ? fail(e, &note) : EXIT_OK;
}

static const struct {
    const char *word;
    int (*run)(const struct arguments *a);
} verbs[] = {{"predict", verb_predict}, {"check", verb_check}, {"hash", verb_hash}, {"unpack", verb_unpack}, {"generate", verb_generate}};

int main(int argc, char **argv)
{
    struct arguments a;
    log_set_program("tandem-train");
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    if (!strcmp(argv[1], "--version")) {
        printf("tandem-train %s\n", TANDEM_VERSION);
        return EXIT_OK;
    }
    if (!read_arguments(argc - 1, argv + 1, &a))
        return EXIT_USAGE;
    if (!a.rest_count)
        return missing("a job file or a verb");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(a.rest[0], verbs[i].word))
            return verbs[i].run(&a);
    return verb_train(&a);
}
