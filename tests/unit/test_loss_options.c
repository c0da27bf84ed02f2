/* test_loss_options: every option of the two losses, alone and together: its value against a plain rendering of its formula,
   its gradient against differences, float against double, and what must not depend on anything. */
#include <stdlib.h>
#include "tests/unit/loss_fixture.h"

/* ---- the formulas, one pixel at a time and without any care ------------------------------------------- */
struct law {
    double ce, share;
};

static double weight_by_law(const struct loss_spec *s, int c)
{
    if (c == 0 && !s->ce.include_background)
        return 0;
    return s->class_weight.kind ? s->class_weight.of[c] : 1;
}

/* F and s of one pixel with class probabilities p. */
static struct law pixel_by_law(const struct loss_spec *s, const double *p, int classes, int y, bool one_channel)
{
    double e = s->ce.label_smoothing, l = 0;
    for (int c = 0; c < classes; c++) {
        double w = one_channel && c == 1 && s->ce.pos_weight != 1 ? s->ce.pos_weight : weight_by_law(s, c);
        l -= ((c == y ? 1 - e : 0) + e / classes) * w * log(p[c]);
    }
    return (struct law){pow(1 - p[y], s->ce.focal_gamma) * l, weight_by_law(s, y)};
}

static int by_ce(const void *a, const void *b)
{
    double x = ((const struct law *)a)->ce, y = ((const struct law *)b)->ce;
    return (x < y) - (x > y);
}

static double ce_by_law(const struct loss_spec *s, const struct batch *b)
{
    struct law all[N * PIXELS], sum = {0, 0};
    int n = 0, classes = b->channels == 1 ? 2 : b->channels;
    for (int i = 0; i < N * PIXELS; i++) {
        double p[C_MAX], total = 0;
        for (int c = 0; c < b->channels; c++)
            total += p[c] = exp(b->z64[(i / PIXELS * b->channels + c) * PIXELS + i % PIXELS]);
        for (int c = 0; c < b->channels; c++)
            p[c] /= b->channels == 1 ? 1 + total : total;
        if (b->channels == 1)
            p[1] = p[0], p[0] = 1 - p[1];
        if (b->labels[i] == LABEL_IGNORED || b->labels[i] == s->ignore_index || !(weight_by_law(s, b->labels[i]) > 0))
            continue;
        all[n++] = pixel_by_law(s, p, classes, b->labels[i], b->channels == 1);
    }
    qsort(all, (size_t)n, sizeof *all, by_ce);
    int keep = s->ce.top_k < 100 ? (int)fmax(1, floor(n * s->ce.top_k / 100)) : n;
    for (int i = 0; i < keep; i++)
        sum.ce += all[i].ce, sum.share += all[i].share;
    return sum.share > 0 ? sum.ce / sum.share : 0;
}

/* ---- every combination ----------------------------------------------------------------------------------- */
enum { WEIGHTS = 3, SMOOTHS = 2, FOCUSES = 5, HOLES = 2, CHANNELS = 3, COMBINATIONS = WEIGHTS * SMOOTHS * FOCUSES * HOLES * CHANNELS };

static int take(int *rest, int count)
{
    int part = *rest % count;
    *rest /= count;
    return part;
}

/* Combination `k`: a spec that its reader accepts, and a batch for it. */
static void combine(int k, struct loss_spec *s, struct batch *b, struct loss_options *o)
{
    int channels = 1 + take(&k, CHANNELS), weights = take(&k, WEIGHTS), focus = take(&k, FOCUSES), holes = take(&k, HOLES);
    golden_batch(b, channels);
    loss_spec_default(s);
    s->ce.label_smoothing = take(&k, SMOOTHS) ? 0.15 : 0;
    s->ce.focal_gamma = focus == 1 ? 2 : focus == 2 ? 0.5 : 0;
    s->ce.top_k = focus == 3 ? 30 : focus == 4 ? 0.1 : 100;
    if (weights == 1) {
        s->class_weight = (struct class_weight_spec){LOSS_LISTED, channels == 1 ? 2 : channels, {0.5, 2, 3}};
        s->dice.class_weight = channels > 1;
    } else if (weights == 2 && channels == 1)
        s->ce.pos_weight = 2.5;
    else if (weights == 2)
        s->ce.include_background = false;
    s->dice.batch = holes;
    s->include_background = weights != 2;
    s->ignore_index = holes && channels == 3 && weights != 2 ? 1 : -1;
    for (int i = 0; holes && i < N * PIXELS; i += 4)
        b->labels[i] = LABEL_IGNORED;
    loss_options_of(s, channels, o);
}

void test_loss_of_every_combination_of_options_is_that_of_the_formula(void)
{
    for (int k = 0; k < COMBINATIONS; k++) {
        struct loss_spec s;
        struct batch b;
        struct loss_options o;
        struct loss_value v64, v32;
        combine(k, &s, &b, &o);
        double want = ce_by_law(&s, &b);
        evaluate_f64(&b, &o, 0.7, 0.4, &v64);
        evaluate_f32(&b, &o, 0.7, 0.4, &v32);
        if (!(fabs(v64.ce - want) < 1e-12))
            check_fail(__FILE__, __LINE__, "combination %d: CE %.15g, the formula says %.15g", k, v64.ce, want);
        CHECK_NEAR(v32.ce, v64.ce, 1e-5 * fmax(v64.ce, 1e-3));
        CHECK_NEAR(v32.dice, v64.dice, 1e-5);
        double n = 0, apart = 0;
        for (int i = 0; i < N * b.channels * PIXELS; i++)
            n += b.g64[i] * b.g64[i], apart += ((double)b.g32[i] - b.g64[i]) * ((double)b.g32[i] - b.g64[i]);
        if (!(sqrt(apart) < 1e-5 * sqrt(n)))
            check_fail(__FILE__, __LINE__, "combination %d: float and double gradient are %.3g of %.3g apart", k, sqrt(apart), sqrt(n));
    }
}

void test_loss_gradient_of_every_combination_of_options_is_the_finite_difference(void)
{
    for (int k = 0; k < COMBINATIONS; k++) {
        struct loss_spec s;
        struct batch b;
        struct loss_options o;
        char what[32];
        combine(k, &s, &b, &o);
        snprintf(what, sizeof what, "combination %d", k);
        check_differences(&o, &b, k % 4, 4, what);
    }
}

/* ---- weights of the classes ------------------------------------------------------------------------------- */
void test_loss_class_weights_of_dice_weigh_the_groups(void)
{
    struct loss_spec s;
    struct batch b;
    struct loss_value v, plain;
    loss_spec_default(&s);
    s.include_background = true;
    s.class_weight = (struct class_weight_spec){LOSS_LISTED, 3, {0.5, 2, 3}};
    double of[C_MAX], want = 0;
    golden_batch(&b, 3);
    for (int c = 0; c < 3; c++) { /* one class alone: all others weigh 0 */
        struct loss_spec one = s;
        struct loss_options o;
        one.dice.class_weight = true;
        one.class_weight = (struct class_weight_spec){LOSS_LISTED, 3, {c == 0, c == 1, c == 2}};
        loss_options_of(&one, 3, &o);
        evaluate_f64(&b, &o, 1, 0, &v);
        of[c] = v.dice;
        want += s.class_weight.of[c] * v.dice;
    }
    struct loss_options o;
    loss_options_of(&s, 3, &o); /* the weights are those of CE alone, until Dice asks for them */
    evaluate_f64(&b, &o, 1, 0, &plain);
    CHECK_NEAR(plain.dice, (of[0] + of[1] + of[2]) / 3, 1e-14);
    s.dice.class_weight = true;
    loss_options_of(&s, 3, &o);
    evaluate_f64(&b, &o, 1, 0, &v);
    CHECK_NEAR(v.dice, want / 5.5, 1e-14);
    CHECK(fabs(v.dice - plain.dice) > 1e-4);
}

void test_loss_group_that_leaves_takes_its_weight_along(void)
{
    struct loss_spec s;
    struct batch b;
    struct loss_options o;
    struct loss_value v, two;
    loss_spec_default(&s);
    golden_batch(&b, 3);
    s.dice.class_weight = true;
    s.dice.empty = LOSS_EMPTY_SKIP;
    s.class_weight = (struct class_weight_spec){LOSS_LISTED, 3, {1, 2, 7}};
    for (int i = 0; i < N * PIXELS; i++)
        b.labels[i] = b.labels[i] == 2 ? 0 : b.labels[i]; /* class 2 is nowhere */
    loss_options_of(&s, 3, &o);
    evaluate_f64(&b, &o, 1, 0, &v);
    CHECK(v.groups == 1 && v.groups_left == 1 && v.group_weight == 2);
    s.dice.class_weight = false;
    loss_options_of(&s, 3, &o);
    evaluate_f64(&b, &o, 1, 0, &two);
    CHECK(two.dice == v.dice);
    s.dice.class_weight = true; /* all that is left weighs nothing: no Dice, no gradient, no 0/0 */
    s.class_weight.of[1] = 0;
    loss_options_of(&s, 3, &o);
    CHECK(evaluate_f64(&b, &o, 1, 0, &v) == 0 && v.group_weight == 0);
    for (int i = 0; i < N * 3 * PIXELS; i++)
        CHECK(b.g64[i] == 0);
}

void test_loss_balanced_weights_are_inverse_frequencies_of_mean_one(void)
{
    struct loss_spec s;
    loss_spec_default(&s);
    s.class_weight.kind = LOSS_BALANCED;
    loss_spec_balance(&s, (const uint64_t[]){900, 90, 10}, 3);
    CHECK_INT(s.class_weight.count, 3);
    CHECK_NEAR(s.class_weight.of[0] + s.class_weight.of[1] + s.class_weight.of[2], 3, 1e-14);
    CHECK_NEAR(s.class_weight.of[2] / s.class_weight.of[0], 90, 1e-12);
    CHECK_NEAR(s.class_weight.of[1] / s.class_weight.of[0], 10, 1e-12);
    loss_spec_balance(&s, (const uint64_t[]){300, 0, 100}, 3); /* a class without pixels weighs nothing and is not in the mean */
    CHECK_NEAR(s.class_weight.of[0], 0.5, 1e-15);
    CHECK(s.class_weight.of[1] == 0);
    CHECK_NEAR(s.class_weight.of[2], 1.5, 1e-15);
    s.ignore_index = 0;
    loss_spec_balance(&s, (const uint64_t[]){300, 50, 100}, 3);
    CHECK(s.class_weight.of[0] == 0);
    CHECK_NEAR(s.class_weight.of[1], 4.0 / 3, 1e-15);
    s.ignore_index = -1;
    loss_spec_balance(&s, (const uint64_t[]){0, 0, 0}, 3); /* nothing is labelled: every step will be skipped */
    CHECK(s.class_weight.of[0] == 0 && s.class_weight.of[2] == 0);
    s.class_weight.kind = LOSS_UNWEIGHTED, s.class_weight.count = 0;
    loss_spec_balance(&s, (const uint64_t[]){3, 2, 1}, 3);
    CHECK_INT(s.class_weight.count, 0);
}

/* ---- the hardest pixels ------------------------------------------------------------------------------------- */
static struct loss_options hardest(int channels, double percent)
{
    struct loss_options o = monai(channels);
    o.ce.top_percent = percent;
    return o;
}

void test_loss_top_k_lets_tied_pixels_share_what_is_left(void)
{
    struct batch b;
    struct loss_value v;
    golden_batch(&b, 1);
    for (int i = 0; i < N * PIXELS; i++) { /* 20 pixels at CE log(1 + e), 40 at log 2 */
        b.labels[i] = 1;
        b.z64[i] = i % 3 == 0 ? -1 : 0;
    }
    struct loss_options o = hardest(1, 50); /* 30 places: all 20, and 10 among 40 */
    evaluate_f64(&b, &o, 0, 1, &v);
    CHECK_NEAR(v.ce, (20 * log(1 + exp(1)) + 10 * log(2)) / 30, 1e-14);
    for (int i = 0; i < N * PIXELS; i++)
        CHECK_NEAR(b.g64[i], i % 3 == 0 ? -exp(1) / (1 + exp(1)) / 30 : -0.5 / 4 / 30, 1e-15);
    o = hardest(1, 100.0 / 60 / 2); /* less than one pixel is one pixel, here one twentieth of twenty */
    evaluate_f64(&b, &o, 0, 1, &v);
    CHECK_NEAR(v.ce, log(1 + exp(1)), 1e-14);
    CHECK_NEAR(b.g64[0], -exp(1) / (1 + exp(1)) / 20, 1e-15);
    CHECK(b.g64[1] == 0);
}

void test_loss_top_k_does_not_depend_on_the_order_of_the_samples(void)
{
    for (int channels = 1; channels <= 3; channels++) {
        struct batch a, b;
        struct loss_value va, vb;
        struct loss_options o = hardest(channels, 35);
        golden_batch(&a, channels);
        a.z32[3] = a.z32[9], a.labels[3] = a.labels[9];
        b = a;
        size_t half = (size_t)channels * PIXELS;
        memcpy(b.z32, a.z32 + half, half * sizeof(float)), memcpy(b.z32 + half, a.z32, half * sizeof(float));
        memcpy(b.labels, a.labels + PIXELS, PIXELS), memcpy(b.labels + PIXELS, a.labels, PIXELS);
        evaluate_f32(&a, &o, 0, 1, &va);
        evaluate_f32(&b, &o, 0, 1, &vb);
        CHECK_NEAR(va.ce, vb.ce, 1e-15);
        CHECK(!memcmp(a.g32, b.g32 + half, half * sizeof(float)) && !memcmp(a.g32 + half, b.g32, half * sizeof(float)));
    }
}

void test_loss_top_k_finds_its_threshold_among_many_pixels(void)
{
    enum { MANY = 20000 };
    static float terms[MANY];
    static uint8_t labels[MANY];
    static struct law sorted[MANY];
    for (int kind = 0; kind < 4; kind++) {
        for (int i = 0; i < MANY; i++) {
            uint32_t r = (uint32_t)i * 2654435761u >> 8;
            terms[i] = kind == 0 ? (float)r * 1e-6f : kind == 1 ? (float)(r % 7) : kind == 2 ? (float)(r % 1000) * 1e-42f : r % 3 ? -1 : (float)r;
            sorted[i].ce = (double)terms[i];
        }
        qsort(sorted, MANY, sizeof *sorted, by_ce);
        int counted = MANY;
        while (sorted[counted - 1].ce < 0)
            counted--;
        for (double percent = 0.005; percent <= 100; percent *= 4) {
            struct loss_options o = hardest(1, percent);
            struct loss_sums sums = {.ce = 1};
            loss_keep_hardest_f32(&o, terms, labels, 1, MANY, &sums);
            int keep = (int)fmax(1, floor((double)counted * percent / 100));
            double want = 0;
            for (int i = 0; i < keep; i++)
                want += sorted[i].ce;
            CHECK_NEAR(sums.ce, want, 1e-12 * want);
            CHECK_NEAR(sums.ce_share, keep, 1e-9 * keep);
            CHECK(sums.hard.threshold == sorted[keep - 1].ce);
        }
    }
}

/* ---- nothing to learn, and nothing finite ---------------------------------------------------------------- */
void test_loss_of_a_wholly_ignored_batch_is_zero_under_every_option(void)
{
    for (int k = 0; k < COMBINATIONS; k++) {
        struct loss_spec s;
        struct batch b;
        struct loss_options o;
        struct loss_value v;
        combine(k, &s, &b, &o);
        memset(b.labels, LABEL_IGNORED, sizeof b.labels);
        CHECK(evaluate_f32(&b, &o, 0.5, 0.5, &v) == 0);
        CHECK(v.valid == 0 && v.ce_share == 0);
        for (int i = 0; i < N * b.channels * PIXELS; i++)
            CHECK(b.g32[i] == 0);
    }
}

void test_loss_batch_of_background_alone_has_no_cross_entropy_where_that_leaves_it_out(void)
{
    struct loss_spec s;
    struct batch b;
    struct loss_options o;
    struct loss_value v;
    loss_spec_default(&s);
    s.ce.include_background = false;
    for (int k = 0; k < 3; k++) {
        s.ce.top_k = k == 1 ? 10 : 100;
        s.ce.focal_gamma = k == 2 ? 2 : 0;
        golden_batch(&b, 3);
        memset(b.labels, 0, sizeof b.labels);
        loss_options_of(&s, 3, &o);
        evaluate_f64(&b, &o, 0, 1, &v);
        CHECK(v.ce == 0 && v.ce_share == 0 && v.valid == N * PIXELS);
        for (int i = 0; i < N * 3 * PIXELS; i++)
            CHECK(b.g64[i] == 0);
        CHECK(evaluate_f64(&b, &o, 1, 1, &v) > 0.9); /* Dice still sees the batch */
    }
}

void test_loss_of_a_nan_logit_is_nan_under_every_option(void)
{
    for (int k = 0; k < COMBINATIONS; k++)
        for (int sign = -1; sign <= 1; sign += 2) {
            struct loss_spec s;
            struct batch b;
            struct loss_options o;
            struct loss_value v;
            combine(k, &s, &b, &o);
            int at = 0;
            while (b.labels[at] == LABEL_IGNORED || b.labels[at] == s.ignore_index || b.labels[at] == 0)
                at++;
            b.z32[at / PIXELS * b.channels * PIXELS + at % PIXELS] = copysignf(NAN, (float)sign);
            evaluate_f32(&b, &o, 0.5, 0.5, &v);
            if (!isnan(v.ce) || !isnan(v.dice))
                check_fail(__FILE__, __LINE__, "combination %d: CE %g, Dice %g", k, v.ce, v.dice);
        }
}

void test_loss_of_extreme_logits_stays_finite_under_every_option(void)
{
    for (int k = 0; k < COMBINATIONS; k++) {
        struct loss_spec s;
        struct batch b;
        struct loss_options o;
        struct loss_value v;
        combine(k, &s, &b, &o);
        for (int i = 0; i < N * b.channels * PIXELS; i++)
            b.z32[i] *= i % 5 ? 1e4f : 60.0f;
        CHECK(isfinite(evaluate_f32(&b, &o, 0.5, 0.5, &v)));
        for (int i = 0; i < N * b.channels * PIXELS; i++)
            CHECK(isfinite(b.g32[i]));
    }
}

/* ---- one answer on every machine -------------------------------------------------------------------------- */
void test_loss_has_the_same_bits_at_every_level_of_the_processor(void)
{
    enum { ROOM = C_MAX * 333 };
    const struct train_kernel *levels[] = {&train_kernel_v3, &train_kernel_v4};
    bool have[] = {__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"), __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")};
    float z[ROOM], p[2][ROOM], g[2][ROOM], t[2][333];
    uint8_t y[333];
    int met = 0;
    for (int l = 0; l < 2; l++)
        for (int k = 0; have[l] && k < COMBINATIONS; k++) {
            struct loss_spec s;
            struct batch b;
            struct loss_options o;
            struct loss_sums sums[2];
            struct loss_slopes slopes;
            struct loss_value v;
            combine(k, &s, &b, &o);
            for (int i = 0; i < 333; i++)
                y[i] = b.labels[i % (N * PIXELS)];
            for (int i = 0; i < ROOM; i++)
                z[i] = (float)(3 * sin(0.37 * i));
            for (int way = 0; way < 2; way++) {
                const struct train_kernel *kernel = way ? levels[l] : &train_kernel_plain;
                memset(p[way], 0, sizeof p[way]), memset(g[way], 0, sizeof g[way]), memset(t[way], 0, sizeof t[way]);
                kernel->sums(&o, z, y, 333, p[way], t[way], &sums[way]);
                if (o.ce.top_percent > 0)
                    loss_keep_hardest_f32(&o, t[way], y, 1, 333, &sums[way]);
                loss_combine(&o, &sums[way], 1, &v, &slopes);
                kernel->gradient(&o, p[way], y, 333, &slopes, t[way], 0.5, 0.5, g[way]);
            }
            CHECK(!memcmp(p[0], p[1], sizeof p[0]) && !memcmp(g[0], g[1], sizeof g[0]) && !memcmp(t[0], t[1], sizeof t[0]));
            CHECK(!memcmp(&sums[0], &sums[1], sizeof sums[0]));
            met++;
        }
    if (!met)
        check_skip("this processor has no more than plain x86-64");
}
