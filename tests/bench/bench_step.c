/* bench_step: our contestant: trains a network as a job would, a few steps whenever it is told to.
   usage: bench_step NET THREADS LOSS [KERNELS]      NET: xs | s | small
   LOSS: 1 (0.5 Dice + 0.5 cross-entropy) | 2 (an optimizer each) | METHOD | METHOD:LEVEL | METHOD:LEVEL:EVERY (adaptive and gradient
   strategies; where and how often the Gram is taken) | diagnostics:EVERY (1, looked at every so many steps)
   KERNELS: "direct 1", "winograd 2": that algorithm wherever a layer has it, so many samples a call; without, tuned here, as a job is.
   A step is all of the trainer's: reading samples, forward, losses, backward, optimizer, metrics. It says "ready ..." after three
   steps of warm-up; then for each line N on stdin it does N steps and says "WALL CPU" in seconds. "profile N": N steps with the
   profile on, its table and the line "end".. It ends with stdin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "schema/job/job_spec_json.h"
#include "worker/data/generate.h"
#include "worker/net/tune.h"
#include "worker/run/model_file.h"
#include "worker/run/profile_table.h"
#include "worker/run/run_data.h"
#include "worker/train/strategy.h"
#include "worker/train/trainer.h"

enum { WARM_UP = 3 };
#define CONSTANT "\"strategy\": \"constant\", \"alpha\": 0.5"
#define TWO_ADAMS \
    "\"strategy\": \"separate_optimizers\", \"optimizers\": {\"mode\": \"simultaneous\", \"dice\": {\"type\": \"adam\", \"lr\": 1e-3}, " \
    "\"ce\": {\"type\": \"adam\", \"lr\": 1e-3}}"
static const struct net {
    const char *name, *widths;
    int size, batch;
} nets[] = {{"xs", "16, 32, 64, 128, 256", 128, 16}, {"s", "32, 64, 128, 256, 512", 256, 8}, {"small", "16, 32, 64", 64, 4}};

struct contestant {
    struct job_spec spec;
    struct dataset set;
    struct network *net;
    struct network_kernels kernels;
    int left;      /* steps of this turn that are to come */
    bool profiled, stop;
    double wall, cpu; /* when it began */
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const struct err_note *note)
{
    printf("unavailable: %s %s\n", note->pointer, note->detail);
    exit(3);
}

/* Waits for the next turn. */
static void listen(struct contestant *c)
{
    char line[64];
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin)) {
        c->stop = true;
        return;
    }
    struct err_note note = {0};
    c->profiled = !strncmp(line, "profile", 7);
    c->left = atoi(line + (c->profiled ? 7 : 0));
    if (c->left < 1) c->left = 1;
    if (c->profiled && network_profile_on(c->net, &note)) die(&note);
    c->wall = seconds(CLOCK_MONOTONIC);
    c->cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Called after each step. The profile's own count of steps runs one ahead of the turn: its first is the one before it. */
static void on_progress(void *context, const struct trainer_progress *p)
{
    struct contestant *c = context;
    (void)p;
    if (--c->left > 0) return;
    double wall = seconds(CLOCK_MONOTONIC) - c->wall, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - c->cpu;
    if (c->profiled) {
        profile_phase(network_profile(c->net), PROFILE_NONE);
        profile_table_print(stdout, c->net);
        printf("end\n");
        c->stop = true; /* the profile cannot be taken off again, and would count this pause */
    } else {
        if (c->wall > 0) printf("%.6f %.6f\n", wall, cpu);
        else
            printf("ready tandem %s, %s, %d lane%s, micro-batch %d, %.0f MiB\n", TANDEM_VERSION, network_config(c->net)->backend, network_config(c->net)->lanes,
                   network_config(c->net)->lanes == 1 ? "" : "s", network_kernels(c->net)->micro_batch, (double)network_memory_used(c->net) / (1 << 20));
    }
    if (!c->stop) listen(c);
}

static bool on_stop(void *context)
{
    const struct contestant *c = context;
    return c->stop;
}

/* The loss block that a word of the command line means, without its braces; what it says wrong the spec reader refuses. */
static void loss_of_word(const char *word, char *to, size_t size)
{
    static const char *const adaptive[] = {"uncertainty", "dwa", "gradnorm", "famo", "random", "loss_scale"};
    char method[32] = "", level[32] = "";
    int every = 1, parts = sscanf(word, "%31[^:]:%31[^:]:%d", method, level, &every);
    bool adapts = false;
    for (size_t i = 0; i < sizeof adaptive / sizeof *adaptive; i++) adapts |= !strcmp(adaptive[i], method);
    if (!strcmp(word, "1")) snprintf(to, size, CONSTANT);
    else if (!strcmp(word, "2")) snprintf(to, size, TWO_ADAMS);
    else if (!strcmp(method, "diagnostics")) snprintf(to, size, CONSTANT ", \"diagnostics\": {\"every\": %s, \"dense_steps\": 0}", level);
    else if (parts == 1) snprintf(to, size, "\"strategy\": \"%s\", \"method\": \"%s\"", adapts ? "adaptive" : "gradient", method);
    else snprintf(to, size, "\"strategy\": \"%s\", \"method\": \"%s\", \"gram\": {\"level\": \"%s\", \"every\": %d}", adapts ? "adaptive" : "gradient", method, level, every);
}

/* The same algorithm for all; layers that lack it take the direct one. */
static void force_kernels(struct contestant *c, struct network_config *config, const char *word)
{
    struct network *plan;
    struct err_note note = {0};
    enum network_algorithm a = strncmp(word, "winograd", 8) ? ALGORITHM_DIRECT : ALGORITHM_WINOGRAD;
    if (network_new(config, &plan, &note)) die(&note);
    c->kernels = *network_kernels(plan);
    network_free(plan);
    for (int i = 0; i < c->kernels.layers; i++)
        c->kernels.layer[i].forward = c->kernels.layer[i].backward_data = c->kernels.layer[i].backward_weights = a;
    c->kernels.micro_batch = atoi(word + strcspn(word, "0123456789"));
}

static void prepare(struct contestant *c, const struct net *n, int lanes, const char *word, const char *kernels)
{
    static struct err_list errors, warnings;
    char text[1024], loss[512];
    struct err_note note = {0};
    struct generator g = GENERATOR_DEFAULT;
    loss_of_word(word, loss, sizeof loss);
    int length = snprintf(text, sizeof text,
                          "{\"dataset\": \"none\", \"model\": {\"widths\": [%s], \"down\": \"stride\"}, \"loss\": {%s, \"activation\": \"softmax\"}, "
                          "\"training\": {\"epochs\": 1, \"steps_per_epoch\": 1000000, \"batch\": %d, \"patch\": [%d, %d], \"checkpoint_s\": 86400}}",
                          n->widths, loss, n->batch, n->size, n->size);
    if (job_spec_parse(text, (size_t)length, &c->spec, &errors, &warnings)) die(&errors.notes[0]);
    if (strncmp(word, "diagnostics", 11)) c->spec.loss.diagnostics.every = c->spec.loss.diagnostics.dense_steps = 0; /* a job's first steps are looked at; these stand for the others */
    g.images = 20, g.size = (uint32_t)n->size * 2;
    if (generate_dataset(&g, &c->set, &note)) die(&note);
    struct network_config config;
    model_network_config(&c->spec, 1, 2, &config);
    config.gradients = strategy_gradients(&c->spec.loss);
    config.lanes = lanes;
    static struct tune_table table;
    if (kernels) force_kernels(c, &config, kernels);
    else if (network_tune(&config, &table, &c->kernels, &note)) die(&note);
    config.kernels = &c->kernels;
    if (network_new(&config, &c->net, &note)) die(&note);
}

int main(int argc, char **argv)
{
    static struct contestant c;
    const struct net *n = nets;
    char folder[] = "/tmp/bench-step-XXXXXX";
    struct err_note note = {0};
    struct trainer *t;
    for (size_t i = 0; argc > 1 && i < sizeof nets / sizeof *nets; i++)
        if (!strcmp(argv[1], nets[i].name)) n = &nets[i];
    if (argc < 4 || strcmp(argv[1], n->name)) return fprintf(stderr, "usage: bench_step xs|s|small THREADS LOSS [KERNELS]\n"), 64;
    if (!mkdtemp(folder)) return perror(folder), 1;
    prepare(&c, n, atoi(argv[2]), argv[3], argc > 4 ? argv[4] : NULL);
    struct trainer_config config = {.spec = &c.spec, .set = &c.set, .net = c.net, .out_dir = folder,
                                    .spec_hash = "0000000000000000000000000000000000000000000000000000000000000000", .made_by = "bench",
                                    .calls = {.context = &c, .progress = on_progress, .stop = on_stop}};
    c.left = WARM_UP;
    if (trainer_new(&config, &t, &note) || trainer_run(t, &note)) die(&note);
    trainer_free(t);
    network_free(c.net);
    dataset_free(&c.set);
    run_data_remove(folder);
    return 0;
}
