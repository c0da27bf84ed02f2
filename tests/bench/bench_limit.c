/* bench_limit: what a step of network xs or s would cost if every op ran at its best: each convolution by the fastest primitive at
   its best number of samples a call, alone in a loop, reading through the norm before it where it can; each op that only moves memory at
   the bandwidth measured for as much memory.
   usage: bench_limit NET [LOSSES]      LOSSES 2: a step that takes a gradient of each of two losses, backward both at once.
   A contestant of bench_turns.c: each line N measures N rounds more (medians of the thread's processor time over all rounds, as ours is a
   median of turns), "profile" says the result:
     peak GFLOP/s | gflop PER IMAGE | layer NAME FORWARD DATA WEIGHTS BOTH | kind NAME MS | total MS      per image, one thread */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/bench/multiply_adds.h"
#include "tests/unit/net_fixture.h"
#include "worker/net/backend_list.h"
#include "worker/net/network_inside.h"
#ifdef HAVE_DNNL
#include "worker/net/dnnl_shim.h"
#endif

enum { KINDS = PROFILE_LAYER_KINDS, BOTH = 3, SAMPLES_MAX = 16, SIZES = 5, TRIES = 2, WAYS_MAX = 16, TIMES_MAX = 64 };
static const size_t sizes[SIZES] = {1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26}; /* bytes in work */

struct times {
    int count;
    double each[TIMES_MAX];
};
/* The primitives and numbers of samples a call that compute one kind of one layer: seconds of one sample. */
struct ways {
    int count;
    struct way {
        const char *by;
        int samples;
        struct times times;
    } way[WAYS_MAX];
};
struct best {
    double seconds; /* 0: not measured */
    const char *by;
    int samples;
};
struct limit {
    struct network *net; /* its plan only */
    struct backend backend;
    int samples_most, cotangents;
    float *in, *d_in, *out, *d_out, *w, *d_w, *prepared, *scratch, *stream;
    size_t scratch_bytes, in_count, w_count; /* activations of one sample, weights: of the largest layer */
    struct ways layer[NODES_MAX][KINDS], head;
    struct times peak, bandwidth[SIZES];
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* In huge pages, as the network's memory is. */
static float *numbers(size_t count)
{
    size_t page = (size_t)2 << 20, bytes = (count * sizeof(float) + 64 + page - 1) / page * page;
    float *to = aligned_alloc(page, bytes);
    if (!to) exit(1);
    madvise(to, bytes, MADV_HUGEPAGE);
    fill_numbers(to, count, 1, 0);
    return to;
}

static void want_scratch(struct limit *m, size_t bytes)
{
    if (bytes <= m->scratch_bytes) return;
    free(m->scratch);
    m->scratch = numbers(bytes / sizeof(float) + 1);
    m->scratch_bytes = bytes;
}

static void keep(struct times *t, double value)
{
    if (t->count == TIMES_MAX) {
        fprintf(stderr, "bench_limit: more than %d times of one call: fewer rounds, please\n", TIMES_MAX);
        exit(1);
    }
    t->each[t->count++] = value;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct times *t)
{
    struct times sorted = *t;
    if (!t->count) return 0;
    qsort(sorted.each, (size_t)t->count, sizeof sorted.each[0], by_value);
    return (sorted.each[t->count / 2] + sorted.each[(t->count - 1) / 2]) / 2;
}

static void keep_way(struct ways *w, double took, const char *by, int samples)
{
    int i = 0;
    while (i < w->count && (strcmp(w->way[i].by, by) || w->way[i].samples != samples)) i++;
    if (i == WAYS_MAX) abort();
    if (i == w->count) w->way[w->count++] = (struct way){.by = by, .samples = samples};
    keep(&w->way[i].times, took / samples);
}

static struct best best_of(const struct ways *w)
{
    struct best best = {0};
    for (int i = 0; i < w->count; i++) {
        double m = median(&w->way[i].times);
        if (!best.by || m < best.seconds) best = (struct best){m, w->way[i].by, w->way[i].samples};
    }
    return best;
}

/* ---- the machine --------------------------------------------------------------------------------------- */
static void measure_machine(struct limit *m)
{
    double start = seconds(CLOCK_THREAD_CPUTIME_ID), done = multiply_adds(5000000);
    keep(&m->peak, done / (seconds(CLOCK_THREAD_CPUTIME_ID) - start) * 1e-9);
    for (int i = 0; i < SIZES; i++) {
        size_t count = sizes[i] / 2 / sizeof(float), repeats = sizes[SIZES - 1] / sizes[i];
        for (int try = 0; try < TRIES; try++) {
            start = seconds(CLOCK_THREAD_CPUTIME_ID);
            for (size_t k = 0; k < repeats; k++) m->backend.add(m->stream, m->stream + count, count); /* reads two, writes one */
            keep(&m->bandwidth[i], 3.0 * sizeof(float) * (double)(count * repeats) / (seconds(CLOCK_THREAD_CPUTIME_ID) - start));
        }
    }
}

/* Seconds to move `bytes` of so many in work, at the bandwidth measured there: between two sizes on a line over their logarithms. */
static double moving_of(const struct limit *m, double bytes, double work)
{
    int i = 0;
    while (i + 2 < SIZES && work > (double)sizes[i + 1]) i++;
    double part = log(work / (double)sizes[i]) / log((double)sizes[i + 1] / (double)sizes[i]);
    part = part < 0 ? 0 : part > 1 ? 1 : part;
    double low = median(&m->bandwidth[i]), high = median(&m->bandwidth[i + 1]);
    return bytes / (low + part * (high - low));
}

static double moving(const struct limit *m, double bytes)
{
    return moving_of(m, bytes, bytes);
}

/* ---- norms on the way ------------------------------------------------------------------------------------- */
/* The norm through which n may read, where its kernel can. */
static const struct node *behind_norm(const struct limit *m, const struct node *n)
{
    return graph_norm_before(&m->net->graph, n);
}

static struct norm_before norm_of(const struct limit *m, const struct node *norm)
{
    return (struct norm_before){.shape = &norm->shape.norm, .gamma = m->w, .beta = m->w, .stats = m->w};
}

/* Does the norm have no pass of its own forward, as the fastest kernels of all nodes that read it read through it? */
static bool read_through(const struct limit *m, const struct node *norm)
{
    const struct graph *g = &m->net->graph;
    for (const struct node *n = norm + 1; n < g->node + g->nodes; n++) {
        if (behind_norm(m, n) != norm) continue;
        bool reads = n->op == &op_head ? m->backend.head_reads_norm : n->op == &op_conv && !strcmp(best_of(&m->layer[n - g->node][0]).by, "Winograd");
        if (!reads) return false;
    }
    return true;
}

/* ---- the convolutions ------------------------------------------------------------------------------------ */
static struct batch batch_of(const struct limit *m, int samples)
{
    return (struct batch){.samples = samples, .cotangents = m->cotangents, .value = m->in_count, .gradient = m->in_count, .leaf_apart = 2 * m->w_count};
}

static void run_backend(struct limit *m, struct conv *c, int kind, const struct batch *b, const struct norm_before *norm, const float *w)
{
    if (kind == BOTH) m->backend.conv_backward(c, 0, b, m->scratch, m->in, norm, m->d_out, w, m->d_in, m->d_w, NULL);
    else if (kind == 0) m->backend.conv_forward(c, 0, b, m->scratch, m->in, norm, w, NULL, m->out, NULL);
    else if (kind == 1) m->backend.conv_backward_data(c, 0, b, m->scratch, m->d_out, w, m->d_in);
    else m->backend.conv_backward_weights(c, 0, b, m->scratch, m->in, norm, m->d_out, m->d_w, NULL);
}

/* As the network would call it, direct or Winograd. */
static void try_backend(struct limit *m, const struct node *n, bool absent[KINDS], enum network_algorithm a, int samples)
{
    struct network_layer_kernels kernels = {.forward = a, .backward_data = a, .backward_weights = a};
    const enum network_algorithm *got[KINDS] = {&kernels.forward, &kernels.backward_data, &kernels.backward_weights, &kernels.backward_data};
    struct conv_use use = {.lanes = 1, .samples = samples, .cotangents = m->cotangents};
    struct batch b = batch_of(m, samples);
    const struct node *before = behind_norm(m, n);
    struct norm_before norm = before ? norm_of(m, before) : (struct norm_before){0};
    struct conv *c;
    if (m->backend.conv_new(&n->shape.conv, &use, &kernels, &c, NULL)) return;
    want_scratch(m, m->backend.conv_scratch_bytes(c));
    for (int kind = 0; kind < KINDS; kind++) {
        bool backward = kind == 1 || kind == BOTH;
        if (absent[kind] || *got[kind] != a || (kind == BOTH && !(m->backend.conv_joins_backward && m->backend.conv_joins_backward(c)))) continue;
        const float *w = m->w;
        if (kind != 2 && m->backend.conv_prepared_count(c, backward)) {
            m->backend.conv_prepare(c, backward, m->w, 0, m->backend.conv_prepare_tasks(c, backward), m->prepared);
            w = m->prepared;
        }
        for (int try = 0; try < TRIES; try++) {
            double start = seconds(CLOCK_THREAD_CPUTIME_ID);
            run_backend(m, c, kind, &b, a == ALGORITHM_WINOGRAD && before ? &norm : NULL, w);
            keep_way(&m->layer[n - m->net->graph.node][kind], seconds(CLOCK_THREAD_CPUTIME_ID) - start, a == ALGORITHM_WINOGRAD ? "Winograd" : "direct", samples);
        }
    }
    m->backend.conv_free(c);
}

/* oneDNN's own weight gradients, where the network takes ours. */
static void try_weights(struct limit *m, const struct node *n)
{
#ifdef HAVE_DNNL
    const struct conv_shape *s = &n->shape.conv;
    if (s->image || shim_block() != s->block) return;
    struct shim_conv_shape shape = {.block = s->block, .in_channels = s->parts * s->in_channels, .out_channels = s->out_channels, .in_rows = s->in.dims[0],
                                    .in_columns = s->in.dims[1], .out_rows = s->out.dims[0], .out_columns = s->out.dims[1], .stride = s->stride};
    struct shim_conv *c = shim_conv_new(SHIM_BACKWARD_WEIGHTS, &shape, 1);
    if (c) want_scratch(m, shim_conv_scratch_bytes(c));
    for (int try = 0; c && !strstr(shim_conv_name(c), "ref") && try < TRIES; try++) {
        double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        shim_conv_run(c, 0, m->scratch, m->in, m->d_w, NULL, m->d_out);
        keep_way(&m->layer[n - m->net->graph.node][2], m->cotangents * (seconds(CLOCK_THREAD_CPUTIME_ID) - start), "oneDNN direct", 1);
    }
    shim_conv_free(c);
#else
    (void)m, (void)n;
#endif
}

static void run_up(struct limit *m, const struct up_shape *s, int kind, const struct batch *b)
{
    if (kind == 0) m->backend.up_forward(s, m->in, m->w, m->w, m->out);
    else if (kind == 1)
        for (size_t k = 0; k < (size_t)m->cotangents; k++) m->backend.up_backward_data(s, m->d_out + k * m->in_count, m->w, m->d_in + k * m->in_count);
    else m->backend.up_backward_weights(s, b, m->in, m->d_out, m->d_w, m->d_w + m->w_count);
}

static void measure_up(struct limit *m, const struct node *n)
{
    for (int kind = 0; kind < BOTH; kind++)
        for (int samples = 1; samples <= (kind == 2 ? m->samples_most : 1); samples *= 2)
            for (int try = 0; try < TRIES; try++) {
                struct batch b = batch_of(m, samples);
                double start = seconds(CLOCK_THREAD_CPUTIME_ID);
                run_up(m, &n->shape.up, kind, &b);
                keep_way(&m->layer[n - m->net->graph.node][kind], seconds(CLOCK_THREAD_CPUTIME_ID) - start, "simd", samples);
            }
}

static void measure_head(struct limit *m, const struct node *n)
{
    struct batch b = batch_of(m, 1);
    struct norm_before norm = norm_of(m, behind_norm(m, n)), *before = m->backend.head_reads_norm ? &norm : NULL;
    b.logits = b.logits_apart = (size_t)n->shape.head.out_channels * n->shape.head.pixels;
    for (int try = 0; try < TRIES; try++) {
        double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        m->backend.head_forward(&n->shape.head, m->in, before, m->w, m->w, m->out);
        m->backend.head_backward(&n->shape.head, &b, m->in, before, m->w, m->d_out, m->d_in, m->d_w, m->d_w + m->w_count);
        keep_way(&m->head, seconds(CLOCK_THREAD_CPUTIME_ID) - start, "simd", 1);
    }
}

static void measure_round(struct limit *m)
{
    measure_machine(m);
    for (int i = 0; i < m->net->graph.nodes; i++) {
        const struct node *n = &m->net->graph.node[i];
        bool absent[KINDS] = {false, n->d_in.buffer == NONE, false, n->d_in.buffer == NONE};
        if (n->op == &op_up) measure_up(m, n);
        if (n->op == &op_head) measure_head(m, n);
        if (n->op != &op_conv) continue;
        for (int samples = 1; samples <= m->samples_most; samples *= 2)
            for (int a = ALGORITHM_DIRECT; a <= ALGORITHM_WINOGRAD; a++) try_backend(m, n, absent, (enum network_algorithm)a, samples);
        try_weights(m, n);
    }
}

/* ---- the sum ------------------------------------------------------------------------------------------- */
/* Least bytes of the ops that only move memory, of one image, each value read or written once. What a convolution has just written
   may still be in a cache; what backward reads of the forward pass (z, the input of a pool) has been kept beside that of the whole batch. */
static void add_moving(const struct limit *m, double ms[PROFILE_KINDS])
{
    const struct graph *g = &m->net->graph;
    double e = 1e3, both = m->cotangents, batch = m->net->config.batch, weights = (double)g->arena_count, pixels = 1, kept = batch * (double)m->net->plan.kept_bytes;
    for (int i = 0; i < g->nodes; i++) {
        const struct node *n = &g->node[i];
        double values = n->out == NONE ? 0 : (double)g->value[n->out].count * sizeof(float);
        if (n->op == &op_norm_act) {
            if (!read_through(m, n)) ms[PROFILE_NORM_FORWARD] += e * moving(m, 2 * values);
            ms[PROFILE_NORM_BACKWARD] += e * (moving_of(m, values, kept) + both * moving(m, (n->d_more.buffer == NONE ? 2 : 3) * values));
        }
        /* forward reads 4, writes 1; backward reads 4 kept ones, 4 + 1 gradients, writes 4 */
        if (n->op == &op_pool) ms[PROFILE_POOL] += e * (moving(m, 5 * values) + moving_of(m, 4 * values, kept) + both * moving(m, 9 * values));
        if (n->op == &op_head) pixels = (double)n->shape.head.pixels;
    }
    double logits = pixels * m->net->config.out_channels * sizeof(float), image = pixels * m->net->config.in_channels;
    ms[PROFILE_LOSS] = e * moving(m, (1 + both) * logits + pixels);
    ms[PROFILE_READ] = e * moving(m, image * (1 + sizeof(float)) + 2 * pixels);
    ms[PROFILE_PACK] = e * moving(m, 2 * image * sizeof(float));
    ms[PROFILE_OPTIMIZER] = e * both * moving(m, 7 * weights * sizeof(float)) / batch; /* reads weight, gradient and moments, writes all but the gradient */
    ms[PROFILE_TREE] = e * both * moving(m, 3 * weights * sizeof(float)) * (batch / m->samples_most - 1) / batch;
}

/* Floats moved to give one kind of a layer its weights in the form that it wants: Winograd's are 36 for 9, backward data's are turned. */
static double prepared_floats(const struct limit *m, int node, int kind, const char *by)
{
    double weights = (double)tensor_arena_count(&m->net->graph.tensor[m->net->graph.node[node].weight].layout);
    if (kind == 2) return 0;
    return by && !strcmp(by, "Winograd") ? (1 + 4) * weights : kind == 1 ? 2 * weights : 0;
}

static void say_layer(const struct profile_layer *layer, int cotangents, const struct best best[KINDS])
{
    printf("layer\t%s", layer->name);
    for (int k = 0; k < KINDS; k++) {
        if (best[k].seconds <= 0) printf("\t-");
        else printf("\t%.3f (%.0f, %s, %d)", 1e3 * best[k].seconds, (k == BOTH ? 2 : 1) * (k ? cotangents : 1) * layer->flops / best[k].seconds * 1e-9, best[k].by, best[k].samples);
    }
    printf("\n");
}

static void say(const struct limit *m)
{
    struct profile_layer layer;
    double ms[PROFILE_KINDS] = {[PROFILE_HEAD] = 1e3 * best_of(&m->head).seconds}, total = 0, flops = 0, prepared = 0;
    for (int i = 0; network_profile_layer(m->net, i, &layer); i++) {
        struct best best[KINDS];
        for (int k = 0; k < KINDS; k++) best[k] = best_of(&m->layer[layer.node][k]);
        bool together = best[BOTH].by && best[BOTH].seconds < best[1].seconds + best[2].seconds;
        for (int k = 0; k < KINDS; k++) {
            if (best[k].by && k < BOTH) flops += (k ? m->cotangents : 1) * layer.flops;
            if (!best[k].by || (k > 0 && together != (k == BOTH))) continue;
            ms[k == BOTH ? PROFILE_CONV_BACKWARD : layer.kinds[k]] += 1e3 * best[k].seconds;
            prepared += prepared_floats(m, layer.node, k, best[k].by);
        }
        say_layer(&layer, m->cotangents, best);
    }
    add_moving(m, ms);
    ms[PROFILE_PREPARE] = 1e3 * moving(m, prepared * sizeof(float)) / m->net->config.batch;
    printf("peak\t%.2f\ngflop\t%.4f\n", median(&m->peak), flops * 1e-9);
    for (int i = 0; i < SIZES; i++) printf("bandwidth of %zu KiB\t%.2f\n", sizes[i] >> 10, median(&m->bandwidth[i]) * 1e-9);
    for (int k = 0; k < PROFILE_KINDS; k++) {
        total += ms[k];
        if (ms[k] > 0) printf("kind\t%s\t%.4f\n", profile_kind_name((enum profile_kind)k), ms[k]);
    }
    printf("total\t%.4f\nend\n", total);
    fflush(stdout);
}

/* Room for the most samples of the largest layer. */
static void take_room(struct limit *m)
{
    const struct graph *g = &m->net->graph;
    size_t n = (size_t)m->samples_most, both = (size_t)m->cotangents;
    for (int i = 0; i < g->values; i++)
        if (g->value[i].count > m->in_count) m->in_count = g->value[i].count;
    for (int i = 0; i < g->tensors; i++)
        if (tensor_arena_count(&g->tensor[i].layout) > m->w_count) m->w_count = tensor_arena_count(&g->tensor[i].layout);
    m->in_count = (m->in_count + 15) / 16 * 16;
    m->in = numbers(n * m->in_count), m->out = numbers(n * m->in_count);
    m->d_in = numbers(both * n * m->in_count), m->d_out = numbers(both * n * m->in_count);
    m->w = numbers(m->w_count), m->d_w = numbers(2 * both * m->w_count), m->prepared = numbers(8 * m->w_count); /* Winograd's are 36/9 times as many */
    m->stream = numbers(sizes[SIZES - 1] / sizeof(float));
}

int main(int argc, char **argv)
{
    static struct limit m;
    bool large = argc > 1 && !strcmp(argv[1], "s");
    struct network_config config = large ? config_s() : config_xs();
    struct err_note note = {0};
    char line[64];
    if (backend_find(NULL, &m.backend, &note) || network_prepare(&config, &m.backend, &m.net, &note)) return printf("unavailable: %s\n", note.detail), 3;
    m.cotangents = argc > 2 ? atoi(argv[2]) : 1;
    if (m.cotangents < 1 || m.cotangents > NETWORK_GRADIENTS_MAX) return printf("unavailable: %s losses: 1 or 2\n", argv[2]), 3;
    m.samples_most = large ? SAMPLES_MAX / 2 : SAMPLES_MAX;
    take_room(&m);
    if (m.backend.thread_start) m.backend.thread_start();
    printf("ready %s, up to %d samples a call\n", m.backend.name, m.samples_most);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strncmp(line, "profile", 7)) {
            say(&m);
            continue;
        }
        double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = atoi(line); i > 0; i--) measure_round(&m);
        printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        fflush(stdout);
    }
    network_free(m.net);
    return 0;
}
