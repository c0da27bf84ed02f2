/* bench_step: training steps of the benchmark networks xs and s: images per second on 1 and 2 lanes.
   usage: bench_step [NET [LANES [STEPS]]]      NET: xs | s
   A step: forward, 0.5 batch Dice + 0.5 cross-entropy over two softmax channels, backward, Adam; the peer is peer_torch.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/net_fixture.h"
#include "worker/net/kernel_pick.h"
#include "worker/net/network_inside.h"

enum { STEPS_MAX = 99, BATCH_MAX = 16, SLICE = 65536 };
enum phase { PHASE_FORWARD, PHASE_LOSS, PHASE_BACKWARD, PHASE_UPDATE, PHASES };
static const char *const phase_names[] = {"forward", "loss", "backward", "update"};

struct bench {
    struct network *net;
    int samples, step;
    size_t pixels;
    float *images[BATCH_MAX];
    unsigned char *labels[BATCH_MAX];
    double inside[BATCH_MAX][2], guessed[BATCH_MAX][2], wanted[BATCH_MAX][2], ce[BATCH_MAX]; /* sums of each sample */
    double dice_in[2], dice_all[2];
    float *first, *second; /* moments */
};

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* p of channel 1 is kept where its gradient will be. */
static void loss_sums(void *ctx, int i, int lane)
{
    struct bench *b = ctx;
    const float *z = network_logits(b->net, i);
    float *p = network_logit_gradient(b->net, 0, i);
    double in = 0, guessed = 0, wanted = 0, ce = 0;
    (void)lane;
    for (size_t k = 0; k < b->pixels; k++) {
        float d = z[b->pixels + k] - z[k], t = (float)b->labels[i][k], e = b->labels[i][k] ? -d : d;
        p[k] = 1 / (1 + expf(-d));
        in += (double)(p[k] * t);
        guessed += (double)p[k];
        wanted += (double)t;
        ce += (double)(fmaxf(e, 0) + log1pf(expf(-fabsf(e))));
    }
    double n = (double)b->pixels;
    b->inside[i][1] = in, b->inside[i][0] = n - guessed - wanted + in;
    b->guessed[i][1] = guessed, b->guessed[i][0] = n - guessed;
    b->wanted[i][1] = wanted, b->wanted[i][0] = n - wanted;
    b->ce[i] = ce;
}

static void loss_gradient(void *ctx, int i, int lane)
{
    struct bench *b = ctx;
    float *g = network_logit_gradient(b->net, 0, i), a[2], c[2], ce = (float)(0.5 / ((double)b->samples * (double)b->pixels));
    (void)lane;
    for (int k = 0; k < 2; k++) { /* d(1 - mean of 2I/(P+T)) / dp = a * t + c */
        a[k] = (float)(-0.5 / b->dice_all[k]);
        c[k] = (float)(0.5 * b->dice_in[k] / (b->dice_all[k] * b->dice_all[k]));
    }
    for (size_t k = 0; k < b->pixels; k++) {
        float p = g[k], t = (float)b->labels[i][k];
        float d = p * (1 - p) * (a[1] * t + c[1] - a[0] * (1 - t) - c[0]) + ce * (p - t);
        g[k] = -d;
        g[b->pixels + k] = d;
    }
}

static double loss(struct bench *b)
{
    double ce = 0, dice = 0;
    lanes_run(network_lanes(b->net), b->samples, loss_sums, b);
    for (int k = 0; k < 2; k++) {
        b->dice_in[k] = b->dice_all[k] = 1e-5;
        for (int i = 0; i < b->samples; i++) b->dice_in[k] += b->inside[i][k], b->dice_all[k] += b->guessed[i][k] + b->wanted[i][k];
        dice += b->dice_in[k] / b->dice_all[k];
    }
    for (int i = 0; i < b->samples; i++) ce += b->ce[i];
    lanes_run(network_lanes(b->net), b->samples, loss_gradient, b);
    return 0.5 * (1 - dice) + 0.5 * ce / ((double)b->samples * (double)b->pixels);
}

static void adam_slice(void *ctx, int slice, int lane)
{
    struct bench *b = ctx;
    size_t first = (size_t)slice * SLICE, count = network_arena_count(b->net), last = first + SLICE < count ? first + SLICE : count;
    float *restrict w = network_weights(b->net), *restrict m = b->first, *restrict v = b->second;
    const float *restrict g = network_gradient(b->net, 0);
    float scale_m = (float)(1 / (1 - pow(0.9, b->step))), scale_v = (float)(1 / (1 - pow(0.999, b->step)));
    (void)lane;
    for (size_t i = first; i < last; i++) {
        m[i] = 0.9f * m[i] + 0.1f * g[i];
        v[i] = 0.999f * v[i] + 0.001f * g[i] * g[i];
        w[i] -= 1e-3f * (m[i] * scale_m) / (sqrtf(v[i] * scale_v) + 1e-8f);
    }
}

static double step(struct bench *b, double spent[PHASES])
{
    double t[PHASES + 1] = {seconds(CLOCK_MONOTONIC)};
    network_forward(b->net, b->samples, (const float *const *)b->images);
    t[1] = seconds(CLOCK_MONOTONIC);
    double l = loss(b);
    t[2] = seconds(CLOCK_MONOTONIC);
    network_backward(b->net, b->samples, 0);
    t[3] = seconds(CLOCK_MONOTONIC);
    b->step++;
    lanes_run(network_lanes(b->net), (int)((network_arena_count(b->net) + SLICE - 1) / SLICE), adam_slice, b);
    t[4] = seconds(CLOCK_MONOTONIC);
    for (int k = 0; k < PHASES; k++) spent[k] += t[k + 1] - t[k];
    return l;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void bench(const char *name, int lanes, int steps)
{
    struct network_config c = !strcmp(name, "s") ? config_s() : config_xs();
    struct err_note note;
    static struct bench b;
    double wall[STEPS_MAX], cpu[STEPS_MAX], spent[PHASES] = {0}, first = 0, last = 0;
    c.lanes = lanes;
    b = (struct bench){.samples = c.batch, .pixels = (size_t)(c.patch[0] * c.patch[1])};
    if (network_new(&c, &b.net, &note)) {
        fprintf(stderr, "bench_step: %s %s\n", note.pointer, note.detail);
        exit(1);
    }
    network_init(b.net, 1);
    b.first = calloc(network_arena_count(b.net), sizeof(float));
    b.second = calloc(network_arena_count(b.net), sizeof(float));
    for (int i = 0; i < c.batch; i++) {
        fill_numbers(b.images[i] = malloc(b.pixels * sizeof(float)), b.pixels, 1, (uint32_t)i);
        b.labels[i] = malloc(b.pixels);
        for (size_t k = 0; k < b.pixels; k++) b.labels[i][k] = b.images[i][k] > 0.6f;
    }
    double ignored[PHASES];
    for (int k = 0; k < 2; k++) first = step(&b, ignored);
    for (int k = 0; k < steps; k++) {
        double t = seconds(CLOCK_MONOTONIC), p = seconds(CLOCK_PROCESS_CPUTIME_ID);
        last = step(&b, spent);
        wall[k] = seconds(CLOCK_MONOTONIC) - t;
        cpu[k] = seconds(CLOCK_PROCESS_CPUTIME_ID) - p;
    }
    qsort(wall, (size_t)steps, sizeof wall[0], by_value);
    qsort(cpu, (size_t)steps, sizeof cpu[0], by_value);
    printf("%-2s lanes %d backend %s: %.2f images/s (median of %d steps; best %.2f; by processor time %.2f), %zu MiB, loss %.4f -> %.4f\n   ms/image:", name,
           lanes, network_config(b.net)->backend, c.batch / wall[steps / 2], steps, c.batch / wall[0], c.batch / cpu[steps / 2] * lanes,
           network_memory_used(b.net) >> 20, first, last);
    for (int k = 0; k < PHASES; k++) printf(" %s %.2f", phase_names[k], 1e3 * spent[k] / steps / c.batch);
    printf("\n");
    fflush(stdout);
    network_free(b.net);
    for (int i = 0; i < c.batch; i++) free(b.images[i]), free(b.labels[i]);
    free(b.first), free(b.second);
}

static void print_conditions(void)
{
    char line[256], model[256] = "?";
    double load[3] = {0};
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "model name : %255[^\n]", model) == 1) break;
    if (f) fclose(f);
    if (getloadavg(load, 3) < 1) load[0] = -1;
    const struct kernel_simd *k16 = kernel_pick(16), *k8 = kernel_pick(8);
    printf("processor %s, %d available, load %.1f; kernels up to %s; one image: a 128x128 (xs, batch 16) or 256x256 (s, batch 8) patch\n", model,
           lanes_default_count(), load[0], k16 ? k16->isa : k8 ? k8->isa : "none");
}

int main(int argc, char **argv)
{
    int steps = argc > 3 ? atoi(argv[3]) : 7;
    if (steps < 1 || steps > STEPS_MAX) steps = 7;
    print_conditions();
    for (int net = 0; net < 2; net++)
        for (int lanes = 1; lanes <= 2; lanes++) {
            const char *name = net ? "s" : "xs";
            if ((argc > 1 && strcmp(argv[1], name)) || (argc > 2 && atoi(argv[2]) != lanes)) continue;
            bench(name, lanes, net && argc <= 3 ? 3 : steps);
        }
    return 0;
}
