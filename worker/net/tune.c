/* tune: one layer at a time: make it, run it, take the least of a few runs; then add up, for each micro-batch, the best of each. */
#include "worker/net/tune.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "schema/job/job_memory.h"
#include "worker/net/backend_list.h"
#include "worker/net/network_inside.h"

enum { ALGORITHMS = 2, RUNS = 3, CACHE_LINE = 64 };
/* A call this long gains nothing from company: more samples are not tried, and it is not repeated often. */
static const double long_call_ns = 20e6;
/* What is not in the time of a kernel that runs again and again: weights, which a step finds in memory, and leaves, as a
   micro-batch's parameter gradients are written, read and added once. */
static const double memory_bytes_a_ns = 10, leaf_passes = 3;
/* Of two choices that differ by less, the simpler one: timings are no better than this. */
static const double noise = 0.02;

struct tuning {
    const struct network_config *config;
    const struct backend *backend;
    struct tune_table *table;
    struct err_note *note;
};

/* ---- the table ------------------------------------------------------------------------------------------ */
static struct tune_entry entry_of(const struct conv_shape *s, enum tune_kind kind, enum network_algorithm algorithm, int samples)
{
    return (struct tune_entry){.block = s->block, .rows = s->in.dims[0], .columns = s->in.dims[1], .ins = s->parts * channels_padded(s->in_channels, s->block),
                               .outs = channels_padded(s->out_channels, s->block), .stride = s->stride, .kind = kind, .algorithm = algorithm, .samples = samples};
}

static bool same_case(const struct tune_entry *a, const struct tune_entry *b)
{
    return a->block == b->block && a->rows == b->rows && a->columns == b->columns && a->ins == b->ins && a->outs == b->outs && a->stride == b->stride &&
           a->kind == b->kind && a->algorithm == b->algorithm && a->samples == b->samples;
}

static const struct tune_entry *find(const struct tune_table *table, const struct tune_entry *wanted)
{
    for (int i = 0; i < table->count; i++)
        if (same_case(&table->entry[i], wanted)) return &table->entry[i];
    return NULL;
}

static void put(struct tune_table *table, struct tune_entry entry)
{
    if (table->count < TUNE_ENTRIES_MAX) table->entry[table->count++] = entry;
}

/* ---- measuring ------------------------------------------------------------------------------------------ */
static double thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Memory of one layer at `samples`: inputs, outputs, weights, both prepared forms and the kernels' own. */
struct bench {
    struct conv *conv;
    struct batch batch;
    size_t weights;
    float *memory, *in, *out, *w, *d_w, *bias, *prepared[2], *scratch;
};

static size_t line(size_t floats)
{
    return (floats + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static bool bench_take(struct bench *b, const struct conv_shape *s, const struct backend *backend, int samples)
{
    size_t in = activation_count(s->parts, s->in_channels, s->in, s->block), out = activation_count(1, s->out_channels, s->out, s->block);
    size_t stride = line(in > out ? in : out), bias = line((size_t)channels_padded(s->out_channels, s->block)), all;
    size_t prepared[2] = {line(backend->conv_prepared_count(b->conv, false)), line(backend->conv_prepared_count(b->conv, true))};
    size_t scratch = line(backend->conv_scratch_bytes(b->conv) / sizeof(float) + 1);
    b->weights = line(9 * (size_t)s->parts * (size_t)channels_padded(s->in_channels, s->block) * (size_t)channels_padded(s->out_channels, s->block));
    b->batch = (struct batch){.samples = samples, .cotangents = 1, .value = stride, .gradient = stride};
    all = 2 * (size_t)samples * stride + 2 * b->weights + bias + prepared[0] + prepared[1] + scratch;
    float *at = b->memory = aligned_alloc(CACHE_LINE, all * sizeof(float));
    if (!at) return false;
    for (size_t i = 0; i < all; i++) at[i] = (float)(int)(i % 17) / 16 - 0.4f; /* no zeros, nothing tiny: those run at other speeds */
    b->in = at, at += (size_t)samples * stride;
    b->out = at, at += (size_t)samples * stride;
    b->w = at, at += b->weights;
    b->d_w = at, at += b->weights;
    b->bias = at, at += bias;
    b->prepared[0] = at, at += prepared[0];
    b->prepared[1] = at, at += prepared[1];
    b->scratch = at;
    return true;
}

static void run_kind(const struct bench *b, const struct backend *backend, const struct conv_shape *s, enum tune_kind kind)
{
    bool backward = kind == TUNE_BACKWARD_DATA || kind == TUNE_BACKWARD;
    const float *w = backend->conv_prepare_tasks(b->conv, backward) ? b->prepared[backward] : b->w;
    float *bias = s->bias ? b->bias : NULL;
    if (kind == TUNE_BACKWARD) backend->conv_backward(b->conv, 0, &b->batch, b->scratch, b->in, NULL, b->out, w, b->in, b->d_w, bias);
    else if (kind == TUNE_FORWARD) backend->conv_forward(b->conv, 0, &b->batch, b->scratch, b->in, NULL, w, bias, b->out, NULL);
    else if (backward) backend->conv_backward_data(b->conv, 0, &b->batch, b->scratch, b->out, w, b->in);
    else backend->conv_backward_weights(b->conv, 0, &b->batch, b->scratch, b->in, NULL, b->out, b->d_w, bias);
}

static double time_prepare(const struct bench *b, const struct backend *backend, enum tune_kind kind)
{
    bool backward = kind == TUNE_BACKWARD_DATA || kind == TUNE_BACKWARD;
    int tasks = kind == TUNE_BACKWARD_WEIGHTS ? 0 : backend->conv_prepare_tasks(b->conv, backward);
    if (!tasks) return 0;
    double began = thread_ns();
    backend->conv_prepare(b->conv, backward, b->w, 0, tasks, b->prepared[backward]);
    return thread_ns() - began;
}

/* Nanoseconds of one call: the least of some runs after one that warms the caches; one run is enough for a long call. */
static double time_kind(const struct bench *b, const struct backend *backend, const struct conv_shape *s, enum tune_kind kind)
{
    double least = INFINITY;
    for (int run = 0; run <= RUNS; run++) {
        double began = thread_ns();
        run_kind(b, backend, s, kind);
        double took = thread_ns() - began;
        if (run > 0 || took > long_call_ns) least = took < least ? took : least;
        if (run > 0 && took > long_call_ns) break;
    }
    return least;
}

static enum network_algorithm *algorithm_of(struct network_layer_kernels *k, enum tune_kind kind)
{
    return kind == TUNE_FORWARD ? &k->forward : kind == TUNE_BACKWARD_DATA ? &k->backward_data : &k->backward_weights;
}

/* Has the layer that kind by the algorithm that was wanted? */
static bool has_kind(const struct backend *backend, const struct conv *c, struct network_layer_kernels *k, enum tune_kind kind, enum network_algorithm wanted)
{
    if (kind == TUNE_BACKWARD) return backend->conv_joins_backward && backend->conv_joins_backward(c);
    return *algorithm_of(k, kind) == wanted;
}

/* A layer by one algorithm, each kind for itself or both of backward in one: into the table. */
static enum err measure(struct tuning *t, const struct conv_shape *s, bool in_one, enum network_algorithm algorithm, int samples)
{
    const struct conv_use use = {.lanes = 1, .samples = samples, .cotangents = 1};
    struct network_layer_kernels k = {.forward = algorithm, .backward_data = algorithm, .backward_weights = algorithm};
    struct bench b = {0};
    enum err e = t->backend->conv_new(s, &use, &k, &b.conv, t->note);
    if (e) return e;
    if (!bench_take(&b, s, t->backend, samples)) {
        t->backend->conv_free(b.conv);
        return err_set(t->note, ERR_NO_MEMORY, "/training/batch", "no memory to time a layer of %d x %d pixels", s->in.dims[0], s->in.dims[1]);
    }
    for (enum tune_kind kind = 0; kind < TUNE_KINDS; kind++) {
        if ((kind == TUNE_BACKWARD) != in_one) continue;
        struct tune_entry entry = entry_of(s, kind, algorithm, samples);
        if (has_kind(t->backend, b.conv, &k, kind, algorithm)) {
            entry.prepare_ns = time_prepare(&b, t->backend, kind);
            entry.ns = time_kind(&b, t->backend, s, kind) / samples;
        }
        put(t->table, entry);
    }
    free(b.memory);
    t->backend->conv_free(b.conv);
    return OK;
}

/* ---- choosing ------------------------------------------------------------------------------------------- */
/* Nanoseconds a sample, from the table; INFINITY: that algorithm is not to be had. Direct kernels take samples one by one. */
static enum err cost(struct tuning *t, const struct conv_shape *s, enum tune_kind kind, enum network_algorithm algorithm, int samples, double *ns)
{
    struct tune_entry wanted = entry_of(s, kind, algorithm, algorithm == ALGORITHM_DIRECT ? 1 : samples);
    const struct tune_entry *known = find(t->table, &wanted);
    if (!known && wanted.samples > 1) { /* long calls and algorithms that are missing are what they are with one sample */
        struct tune_entry single = wanted;
        single.samples = 1;
        const struct tune_entry *one = find(t->table, &single);
        if (one && (one->ns <= 0 || one->ns > long_call_ns)) known = one;
    }
    if (!known) {
        enum err e = measure(t, s, kind == TUNE_BACKWARD, algorithm, wanted.samples);
        if (e) return e;
        known = find(t->table, &wanted);
    }
    *ns = known && known->ns > 0 ? known->ns + known->prepare_ns / t->config->batch : INFINITY;
    return OK;
}

/* Reading a layer's weights from memory, once a call: nanoseconds a sample. Winograd's are 36 for 9. */
static double weights_ns(const struct conv_shape *s, enum tune_kind kind, enum network_algorithm algorithm, int together)
{
    double count = (double)s->parts * channels_padded(s->in_channels, s->block) * channels_padded(s->out_channels, s->block) * (algorithm == ALGORITHM_WINOGRAD ? 36 : 9);
    return kind == TUNE_BACKWARD_WEIGHTS ? 0 : count * sizeof(float) / memory_bytes_a_ns / together;
}

/* Nobody but convolutions and the head reads what it makes: it need not be written. */
static bool may_be_unwritten(const struct graph *g, const struct node *norm)
{
    for (const struct node *n = norm + 1; n < g->node + g->nodes; n++)
        if (graph_norm_before(g, n) == norm && n->op != &op_conv && n->op != &op_head) return false;
    return true;
}

/* Reading a norm's input and writing its output, which a direct kernel wants and Winograd's does without (of a skip, where all that read it
   are Winograd's): nanoseconds a sample. */
static double norm_ns(const struct graph *g, const struct node *n, enum tune_kind kind)
{
    const struct node *norm = graph_norm_before(g, n);
    return kind == TUNE_BACKWARD_DATA || !norm || !may_be_unwritten(g, norm) ? 0 : 2 * (double)(g->value[norm->out].count * sizeof(float)) / memory_bytes_a_ns;
}

static bool has_choice(const struct node *n)
{
    return n->layer != NONE && !n->shape.conv.image;
}

/* The better algorithm of one kind of a layer, and its nanoseconds a sample. */
static enum err choose_kind(struct tuning *t, const struct graph *g, const struct node *n, enum tune_kind kind, int together, enum network_algorithm *algorithm,
                            double *ns)
{
    const struct conv_shape *s = &n->shape.conv;
    double direct = 0, winograd;
    enum err e = cost(t, s, kind, ALGORITHM_WINOGRAD, together, &winograd);
    if (!e && isfinite(winograd)) e = cost(t, s, kind, ALGORITHM_DIRECT, together, &direct);
    if (e) return e;
    winograd += weights_ns(s, kind, ALGORITHM_WINOGRAD, together);
    direct += weights_ns(s, kind, ALGORITHM_DIRECT, together) + norm_ns(g, n, kind);
    bool wins = isfinite(winograd) && winograd < direct * (1 - noise);
    *algorithm = wins ? ALGORITHM_WINOGRAD : ALGORITHM_DIRECT;
    *ns = wins ? winograd : direct;
    return OK;
}

/* All of a layer: nanoseconds a sample forward, and backward of one gradient, where both kinds by Winograd's algorithm are one. */
static enum err choose_layer(struct tuning *t, const struct graph *g, const struct node *n, int together, struct network_layer_kernels *k, double *forward,
                             double *backward)
{
    double ns[TUNE_BACKWARD], joined;
    for (enum tune_kind kind = 0; kind < TUNE_BACKWARD; kind++) {
        enum err e = choose_kind(t, g, n, kind, together, algorithm_of(k, kind), &ns[kind]);
        if (e) return e;
    }
    *forward = ns[TUNE_FORWARD];
    *backward = ns[TUNE_BACKWARD_DATA] + ns[TUNE_BACKWARD_WEIGHTS];
    if (k->backward_data == ALGORITHM_WINOGRAD && k->backward_weights == ALGORITHM_WINOGRAD) return OK; /* in one it is faster still */
    enum err e = cost(t, &n->shape.conv, TUNE_BACKWARD, ALGORITHM_WINOGRAD, together, &joined);
    if (e) return e;
    joined += weights_ns(&n->shape.conv, TUNE_BACKWARD, ALGORITHM_WINOGRAD, together);
    if (!isfinite(joined) || joined >= *backward * (1 - noise)) return OK;
    k->backward_data = k->backward_weights = ALGORITHM_WINOGRAD;
    *backward = joined;
    return OK;
}

/* The best of each layer at that micro-batch into `kernels`, and the nanoseconds of a step then: one forward pass, and for each
   gradient a backward pass and leaves of its own (what passes that go together share is left out). */
static enum err choose(struct tuning *t, const struct graph *g, int samples, struct network_kernels *kernels, double *ns)
{
    int batch = t->config->batch, tasks = (batch + samples - 1) / samples, lanes = t->config->lanes ? t->config->lanes : lanes_default_count();
    double gradients = t->config->gradients, total = gradients * leaf_passes * (double)(g->arena_count * sizeof(float)) / memory_bytes_a_ns / samples;
    kernels->micro_batch = samples;
    const struct stage *stage = g->stage;
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        if (i == stage->end_node) stage++;
        if (!has_choice(n)) continue;
        int together = stage_samples(stage, samples);
        double forward, backward;
        enum err e = choose_layer(t, g, n, together, &kernels->layer[n->layer], &forward, &backward);
        if (e) return e;
        total += forward + gradients * backward;
    }
    /* the lane with the most micro-batches is what everybody waits for */
    *ns = total * ((tasks + lanes - 1) / lanes) * samples;
    return OK;
}

enum err network_tune(const struct network_config *config, struct tune_table *table, struct network_kernels *kernels, struct err_note *note)
{
    struct backend backend;
    struct network *net;
    struct network_config all = *config;
    all.kernels = NULL;
    all.inference_only = false;
    enum err e = backend_find(config->backend, &backend, note);
    if (e || (e = network_prepare(&all, &backend, &net, note))) return e;
    struct tuning t = {.config = &net->config, .backend = &net->backend, .table = table, .note = note};
    struct network_kernels now = net->kernels;
    double best = INFINITY, ns;
    *kernels = net->kernels;
    int most = micro_batch_tuned_max(config->batch, config->patch, config->rank);
    for (int samples = 1; samples <= most && !e; samples *= 2) {
        e = choose(&t, &net->graph, samples, &now, &ns);
        /* of two that differ by less than timings tell apart the larger: lanes help each other with the parts of a micro-batch, and the least
           of a few long calls has met more of the noise than that of short ones */
        if (e || !(ns < best * (1 + noise))) continue;
        best = ns < best ? ns : best;
        *kernels = now;
    }
    network_free(net);
    return e;
}
