/* bench_conv: the 3x3 layers of the benchmark networks xs and s: direct (oneDNN; weight gradients our own) against our Winograd, by kind and samples per call, in GFLOP/s of the direct algorithm's multiplications and additions.
   usage: bench_conv [NET [ROUNDS [LEVEL]]]      NET: xs | s
   Direct and Winograd take turns; each figure is from the minimum of ROUNDS processor times of one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef HAVE_DNNL
#include "worker/net/dnnl_shim.h"
#include "worker/net/kernel_pick.h"
#include "worker/net/rng.h"

enum { BATCH = 8, KINDS = 3 };
static const char *const kind_names[KINDS] = {"forward", "backward data", "backward weights"};

struct bench {
    const struct kernel_simd *simd;
    struct conv_shape s;
    struct shim_conv *direct; /* of the kind that is being measured; NULL: our own */
    int rounds;
    size_t in_count, out_count;
    float *in, *out, *d_in, *d_out, *w, *d_w, *prepared, *scratch, *direct_scratch;
};

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *numbers(size_t count)
{
    struct rng r;
    float *to = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64 + 64);
    if (!to) exit(1);
    rng_start(&r, 1, 1, 0, 0);
    for (size_t i = 0; i < count; i++) to[i] = rng_between(&r, -1, 1);
    return to;
}

static void run_direct(struct bench *b, int kind, int samples)
{
    struct batch batch = {.samples = samples, .cotangents = 1, .value = b->in_count, .gradient = b->out_count};
    if (kind == SHIM_BACKWARD_WEIGHTS) b->simd->conv_backward_weights(&b->s, &batch, b->in, b->d_out, b->d_w, NULL);
    else
        for (size_t n = 0; n < (size_t)samples; n++)
            shim_conv_run(b->direct, 0, b->direct_scratch, (kind ? b->d_in : b->in) + n * b->in_count, b->w, NULL, (kind ? b->d_out : b->out) + n * b->out_count);
}

static void run_winograd(struct bench *b, int kind, int samples)
{
    const struct kernel_simd *k = b->simd;
    if (kind == SHIM_FORWARD) k->winograd_forward(&b->s, samples, b->in_count, b->in, NULL, b->prepared, NULL, b->out_count, b->out, 0, NULL, b->scratch);
    else if (kind == SHIM_BACKWARD_DATA)
        k->winograd_backward_data(&b->s, samples, b->out_count, b->d_out, b->prepared, b->in_count, b->d_in, b->scratch);
    else {
        const struct winograd_backward all = {.samples = samples, .cotangents = 1, .in_stride = b->in_count, .in = b->in, .out_stride = b->out_count,
                                              .d_out = b->d_out, .d_w = &b->d_w};
        k->winograd_backward(&b->s, &all, b->scratch);
    }
}

static void measure(struct bench *b, int kind)
{
    double flops = 18.0 * (double)shape_pixels(b->s.out) * b->s.parts * b->s.in_channels * b->s.out_channels;
    printf("  %-17s", kind_names[kind]);
    for (int samples = 1; samples <= BATCH; samples *= 2) {
        double direct = 1e9, winograd = 1e9;
        for (int i = 0; i < b->rounds; i++) {
            double start = cpu_seconds();
            run_direct(b, kind, samples);
            double middle = cpu_seconds();
            run_winograd(b, kind, samples);
            double end = cpu_seconds();
            if (middle - start < direct) direct = middle - start;
            if (end - middle < winograd) winograd = end - middle;
        }
        printf("  %5.0f %5.0f (%4.2fx)", samples * flops / direct * 1e-9, samples * flops / winograd * 1e-9, direct / winograd);
    }
    printf("\n");
}

static void bench_kind(struct bench *b, int kind)
{
    const struct conv_shape *s = &b->s;
    struct shim_conv_shape shape = {.block = s->block, .in_channels = s->parts * s->in_channels, .out_channels = s->out_channels, .in_rows = s->in.dims[0],
                                    .in_columns = s->in.dims[1], .out_rows = s->out.dims[0], .out_columns = s->out.dims[1], .stride = s->stride,
                                    .flipped = kind == SHIM_BACKWARD_DATA};
    bool backward = kind == SHIM_BACKWARD_DATA;
    b->direct = kind == SHIM_BACKWARD_WEIGHTS ? NULL : shim_conv_new((enum shim_kind)kind, &shape, 1);
    b->direct_scratch = numbers(b->direct ? shim_conv_scratch_bytes(b->direct) / sizeof(float) + 1 : 0);
    b->simd->winograd_prepare(s, backward, b->w, 0, b->simd->winograd_prepare_tasks(s, backward), b->prepared);
    measure(b, kind);
    shim_conv_free(b->direct);
    free(b->direct_scratch);
}

static void bench_layer(int rounds, int size, int stride, int parts, int ins, int outs)
{
    struct bench b = {.rounds = rounds, .simd = kernel_pick(shim_block())};
    b.s = (struct conv_shape){.block = shim_block(), .in = {2, {size, size, 1}}, .out = {2, {size / stride, size / stride, 1}}, .parts = parts,
                              .in_channels = ins, .out_channels = outs, .stride = stride};
    b.in_count = activation_count(parts, ins, b.s.in, b.s.block), b.out_count = activation_count(1, outs, b.s.out, b.s.block);
    size_t weights = (size_t)(9 * parts * ins * outs);
    b.in = numbers(BATCH * b.in_count), b.d_in = numbers(BATCH * b.in_count), b.out = numbers(BATCH * b.out_count), b.d_out = numbers(BATCH * b.out_count);
    b.w = numbers(weights), b.d_w = numbers(weights), b.prepared = numbers(b.simd->winograd_weights_count(&b.s));
    b.scratch = numbers(b.simd->winograd_scratch_count(&b.s, BATCH, 1));
    printf("%d x %d pixels, %d to %d channels, stride %d\n", size, size, parts * ins, outs, stride);
    for (int kind = 0; kind < KINDS; kind++) bench_kind(&b, kind);
    float *all[] = {b.in, b.out, b.d_in, b.d_out, b.w, b.d_w, b.prepared, b.scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

int main(int argc, char **argv)
{
    bool small = argc < 2 || !strcmp(argv[1], "xs");
    int size = small ? 128 : 256, width = small ? 16 : 32, rounds = argc > 2 ? atoi(argv[2]) : 7;
    if (!shim_start() || !shim_block() || !kernel_pick(shim_block())) return printf("this machine has no AVX2\n"), 0;
    shim_thread_start();
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("network %s, level %s, block %d, one thread, minimum of %d processor times, direct and Winograd in turns.\n"
           "GFLOP/s of direct, of Winograd (ratio), at 1, 2, 4, 8 samples a call; preparing the weights is not in it\n",
           small ? "xs" : "s", kernel_pick(shim_block())->isa, shim_block(), rounds);
    for (int level = 0; level < 5; level++) {
        if (argc > 3 && atoi(argv[3]) != level) continue;
        if (level) bench_layer(rounds, size >> (level - 1), 2, 1, width << (level - 1), width << level);
        bench_layer(rounds, size >> level, 1, 1, width << level, width << level);
        if (level < 4) bench_layer(rounds, size >> level, 1, 2, width << level, width << level);
    }
}
#else
int main(void)
{
    printf("built without oneDNN: nothing to compare with\n");
}
#endif
