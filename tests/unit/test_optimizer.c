/* test_optimizer: update rules against PyTorch's sequences, identities of two optimizers, and equality over lanes. */
#include <math.h>
#include "tests/check.h"
#include "worker/train/optimizer.h"
#include "worker/train/train_kernel.h"

/* Five steps of the documented rules of torch.optim 1.13, in double, from w = (1, -2, 0.5) along g_t = (0.1 t, -0.3, 0.05 t^2 - 0.4), t = 1..5:
   tests/vectors/optimizer_sequences.py. */
enum { W = 3, STEPS = 5 };
static void gradient_at(int t, float g[W])
{
    g[0] = (float)(0.1 * t);
    g[1] = -0.3f;
    g[2] = (float)(0.05 * t * t - 0.4);
}

static struct optimizer_spec spec_of(enum optimizer_type type, double lr)
{
    return (struct optimizer_spec){.type = type, .lr = lr, .betas = {0.9, 0.999}, .eps = 1e-8, .momentum = 0.9, .nesterov = true};
}

static void run(const struct optimizer_spec *spec, float w[W])
{
    struct optimizer o;
    CHECK_INT(optimizer_init(&o, spec, W, NULL), OK);
    w[0] = 1, w[1] = -2, w[2] = 0.5f;
    for (int t = 1; t <= STEPS; t++) {
        float g[W];
        gradient_at(t, g);
        optimizer_step(&o, NULL, spec->lr, w, g);
    }
    CHECK_INT(o.steps, STEPS);
    optimizer_fini(&o);
}

struct sequence {
    const char *name;
    struct optimizer_spec spec;
    double want[W];
};

void test_optimizer_follows_pytorch(void)
{
    const struct sequence all[] = {
#include "tests/vectors/optimizer_sequences.inc"
    };
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        float w[W];
        run(&all[k].spec, w);
        for (int i = 0; i < W; i++)
            if (!(fabs((double)w[i] - all[k].want[i]) < 1e-6))
                check_fail(__FILE__, __LINE__, "%s: w[%d] is %.9g, want %.9g", all[k].name, i, (double)w[i], all[k].want[i]);
    }
}

/* ---- a convex bowl with two parts, as Dice and CE stand-ins ------------------------------------------- */
enum { M = 40 };
static void part_gradient(int part, const float w[M], float g[M])
{
    for (int i = 0; i < M; i++) {
        double x = (double)w[i] - (part ? sin(i) : cos(i));
        g[i] = (float)(part ? x : 0.3 * x * x * x + 0.1 * x);
    }
}

/* loss.md section 1: SGD with the same momentum, both gradients at the same weights == one SGD on lr_d*L_d + lr_c*L_c */
void test_optimizer_two_sgd_at_one_point_are_one_weighted_sgd(void)
{
    struct optimizer_spec one = spec_of(OPTIMIZER_SGD, 1), two = spec_of(OPTIMIZER_SGD, 1);
    one.nesterov = two.nesterov = false;
    struct optimizer dice, ce, both;
    CHECK_INT(optimizer_init(&dice, &one, M, NULL), OK);
    CHECK_INT(optimizer_init(&ce, &two, M, NULL), OK);
    CHECK_INT(optimizer_init(&both, &one, M, NULL), OK);
    float a[M] = {0}, b[M] = {0}, gd[M], gc[M];
    for (int t = 0; t < 50; t++) {
        part_gradient(0, a, gd);
        part_gradient(1, a, gc);
        optimizer_step(&dice, NULL, 0.02, a, gd);
        optimizer_step(&ce, NULL, 0.005, a, gc);
        part_gradient(0, b, gd);
        part_gradient(1, b, gc);
        for (int i = 0; i < M; i++)
            gd[i] = 0.02f * gd[i] + 0.005f * gc[i];
        optimizer_step(&both, NULL, 1, b, gd);
    }
    for (int i = 0; i < M; i++)
        CHECK_NEAR((double)a[i], (double)b[i], 2e-6);
    optimizer_fini(&dice), optimizer_fini(&ce), optimizer_fini(&both);
}

/* With eps 0 Adam does not see the scale of a loss: alpha is meaningless between two Adams. 1024 is exact in float. */
void test_optimizer_adam_without_eps_ignores_the_scale_of_the_gradient(void)
{
    struct optimizer_spec spec = spec_of(OPTIMIZER_ADAM, 0.01);
    spec.eps = 0;
    struct optimizer plain, scaled;
    CHECK_INT(optimizer_init(&plain, &spec, M, NULL), OK);
    CHECK_INT(optimizer_init(&scaled, &spec, M, NULL), OK);
    float a[M] = {0}, b[M] = {0}, g[M];
    for (int t = 0; t < 50; t++) {
        part_gradient(0, a, g);
        g[3] = 0; /* never a gradient: never a move, and no NaN */
        optimizer_step(&plain, NULL, 0.01, a, g);
        part_gradient(0, b, g);
        g[3] = 0;
        for (int i = 0; i < M; i++)
            g[i] *= 1024;
        optimizer_step(&scaled, NULL, 0.01, b, g);
    }
    CHECK(!memcmp(a, b, sizeof a));
    CHECK(a[3] == 0 && a[4] != 0);
    optimizer_fini(&plain), optimizer_fini(&scaled);
}

void test_optimizer_clips_by_the_global_norm(void)
{
    struct optimizer_spec spec = spec_of(OPTIMIZER_SGD, 1);
    spec.momentum = 0, spec.nesterov = false, spec.clip_norm = 1;
    struct optimizer o;
    CHECK_INT(optimizer_init(&o, &spec, 2, NULL), OK);
    float w[2] = {0}, g[2] = {3, -4}, small[2] = {0.3f, 0.4f};
    CHECK_NEAR(optimizer_step(&o, NULL, 1, w, g), 5, 1e-12);
    CHECK_NEAR((double)w[0], -3 / (5 + 1e-6), 1e-7);
    CHECK_NEAR((double)w[1], 4 / (5 + 1e-6), 1e-7);
    w[0] = w[1] = 0;
    optimizer_step(&o, NULL, 1, w, small);
    CHECK(w[0] == -0.3f && w[1] == -0.4f);
    optimizer_fini(&o);
}

void test_optimizer_gives_the_same_bits_on_any_number_of_lanes(void)
{
    enum { BIG = 100003 };
    static float g[BIG], w[4][BIG];
    for (int i = 0; i < BIG; i++)
        g[i] = (float)sin(i * 0.37) * 3;
    for (int type = 0; type <= 2; type++) {
        for (int lanes = 0; lanes <= 3; lanes++) {
            struct optimizer_spec spec = spec_of((enum optimizer_type)type, 0.01);
            spec.clip_norm = 20, spec.weight_decay = 0.01;
            struct optimizer o;
            struct lanes *threads = NULL;
            CHECK_INT(optimizer_init(&o, &spec, BIG, NULL), OK);
            if (lanes)
                CHECK_INT(lanes_new(lanes, NULL, &threads, NULL), OK);
            for (int i = 0; i < BIG; i++)
                w[lanes][i] = (float)cos(i);
            for (int t = 0; t < 3; t++)
                optimizer_step(&o, threads, 0.01, w[lanes], g);
            CHECK(!memcmp(w[lanes], w[0], sizeof w[0]));
            lanes_free(threads);
            optimizer_fini(&o);
        }
        CHECK(w[0][5] != (float)cos(5));
    }
}

void test_optimizer_gives_the_same_bits_at_every_level_of_the_processor(void)
{
    enum { COUNT = 333 }; /* no vector divides it */
    const struct train_kernel *levels[] = {&train_kernel_plain, &train_kernel_v3, &train_kernel_v4};
    bool have[] = {true, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")};
    static float g[COUNT], w[3][2][COUNT], m[3][2][COUNT], v[3][COUNT];
    for (int i = 0; i < COUNT; i++)
        g[i] = i % 7 ? (float)sin(i * 0.37) * 3 : 0;
    for (int nesterov = 0; nesterov <= 1; nesterov++)
        for (int l = 0; l < 3; l++) {
            struct optimizer_pace pace = {.scale = 0.7f, .decay = 0.01f, .shrink = 0.999f, .rate = 0.013f, .root = 0.31f, .keep = {0.9f, 0.999f}, .take = {0.1f, 0.001f},
                                          .epsilon = nesterov ? 0 : 1e-8f, .momentum = 0.9f, .nesterov = nesterov};
            if (!have[l])
                continue;
            memset(m[l], 0, sizeof m[l]), memset(v[l], 0, sizeof v[l]);
            for (int i = 0; i < COUNT; i++)
                w[l][0][i] = w[l][1][i] = (float)cos(i);
            for (int t = 0; t < 3; t++) {
                levels[l]->adam(&pace, COUNT, g, w[l][0], m[l][0], v[l]);
                levels[l]->sgd(&pace, COUNT, g, w[l][1], m[l][1]);
            }
            CHECK(!memcmp(w[l], w[0], sizeof w[0]) && !memcmp(m[l], m[0], sizeof m[0]) && !memcmp(v[l], v[0], sizeof v[0]));
            CHECK(w[l][0][5] != (float)cos(5) && w[l][1][5] != (float)cos(5));
        }
}
