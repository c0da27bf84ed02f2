/* test_loss: the two losses against golden numbers of other people's code and against finite differences. */
#include <math.h>
#include "tests/check.h"
#include "tests/unit/loss_fixture.h"
#include "worker/train/loss_math.h"

struct golden {
    const char *name;
    int channels;
    double dice_weight, ce_weight, shift; /* shift: nnU-Net's Dice is -D, not 1 - D */
    double loss, grad_l2, g0, g7;
    bool batch, squared, jaccard, no_background, weights;
    double smoothing;
    int ignore; /* a class, 0 = none here */
    double smooth; /* 0: 1e-5 */
};
static const struct golden goldens[] = {
    {.name = "bin_bce", .channels = 1, .ce_weight = 1, .loss = 0.9789173788611235, .grad_l2 = 0.07736130780046337, .g0 = 0.012476293126438663, .g7 = -0.01335790601092761},
    {.name = "bin_dice_monai_default_sigmoid", .channels = 1, .dice_weight = 1, .loss = 0.5028735633115387, .grad_l2 = 0.024449642250769656, .g0 = 0.0016076453372083478, .g7 = -0.0036184277711509578},
    {.name = "bin_dice_monai_batch", .channels = 1, .dice_weight = 1, .batch = true, .loss = 0.5020669783342502, .grad_l2 = 0.02435126832102279, .g0 = 0.0014899985768614696, .g7 = -0.0037998779837117628},
    {.name = "bin_dice_monai_squared", .channels = 1, .dice_weight = 1, .squared = true, .loss = 0.408717765229019, .grad_l2 = 0.029678683062252145, .g0 = 0.0033790397505674254, .g7 = -0.005140106577540734},
    {.name = "bin_dice_monai_jaccard", .channels = 1, .dice_weight = 1, .jaccard = true, .loss = 0.6678015153295923, .grad_l2 = 0.02162008505948446, .g0 = 0.0015210733028582384, .g7 = -0.0034235746863023856},
    {.name = "bin_dice_seed_smooth1e-6_N1HW_fixed", .channels = 1, .dice_weight = 1, .smooth = 1e-6, .loss = 0.5028737074963225, .grad_l2 = 0.024449650722210645, .g0 = 0.0016076454136244452, .g7 = -0.003618429107961195},
    {.name = "bin_combined_seed_alpha0.8", .channels = 1, .dice_weight = 0.8, .ce_weight = 0.2, .smooth = 1e-6, .loss = 0.5980824417692827, .grad_l2 = 0.032846312601419916, .g0 = 0.0037813749561872887, .g7 = -0.005566324488554479},
    {.name = "bin_combined_monai_1_1", .channels = 1, .dice_weight = 1, .ce_weight = 1, .loss = 1.4817909421726623, .grad_l2 = 0.09715051739111148, .g0 = 0.01408393846364701, .g7 = -0.01697633378207857},
    {.name = "mc_ce", .channels = 3, .ce_weight = 1, .loss = 1.9689778111146077, .grad_l2 = 0.13148616247081737, .g0 = -0.011011919360306632, .g7 = 0.0005136527054993897},
    {.name = "mc_ce_ls0.1", .channels = 3, .ce_weight = 1, .smoothing = 0.1, .loss = 1.9631930976474492, .grad_l2 = 0.12300662279596696, .g0 = -0.009900808249195522, .g7 = -4.190285005616584e-05},
    {.name = "mc_ce_w1_2_3", .channels = 3, .ce_weight = 1, .weights = true, .loss = 2.067780448152237, .grad_l2 = 0.14754586647543258, .g0 = -0.005695820358779293, .g7 = 0.000797047301636984},
    {.name = "mc_ce_ignore2", .channels = 3, .ce_weight = 1, .ignore = 2, .loss = 1.8199869981983463, .grad_l2 = 0.1502036008469443, .g0 = -0.015365468874846463, .g7 = 0.0},
    {.name = "mc_dice_monai_softmax", .channels = 3, .dice_weight = 1, .loss = 0.6881515301246565, .grad_l2 = 0.023626454312105465, .g0 = -0.0031645790437976992, .g7 = 5.956031122443508e-05},
    {.name = "mc_dice_monai_softmax_nobg", .channels = 3, .dice_weight = 1, .no_background = true, .loss = 0.7082107639518466, .grad_l2 = 0.02623243402795206, .g0 = -0.0010426206559535501, .g7 = -4.088462933586805e-05},
    {.name = "mc_dice_monai_softmax_nobg_batch", .channels = 3, .dice_weight = 1, .no_background = true, .batch = true, .loss = 0.7078223814743364, .grad_l2 = 0.02615863814345518, .g0 = -0.0009263951157323806, .g7 = -3.1077951824827784e-05},
    {.name = "mc_nnunet_dc_plus_ce_batch_dice_False", .channels = 3, .dice_weight = 1, .ce_weight = 1, .shift = -1, .no_background = true, .loss = 1.6771885750664541, .grad_l2 = 0.1463970366290052, .g0 = -0.012054540016260181, .g7 = 0.0004727680761635216},
    {.name = "mc_nnunet_dc_plus_ce_batch_dice_True", .channels = 3, .dice_weight = 1, .ce_weight = 1, .shift = -1, .no_background = true, .batch = true, .loss = 1.676800192588944, .grad_l2 = 0.14644690524265372, .g0 = -0.011938314476039012, .g7 = 0.0004825747536745619},
    {.name = "mc_smp_dice_smooth0", .channels = 3, .dice_weight = 1, .batch = true, .smooth = -1, .loss = 0.6854545818976755, .grad_l2 = 0.023451737892484777, .g0 = -0.0034636630572285713, .g7 = 6.232240424384145e-05},
};

static struct loss_options options_of(const struct golden *g)
{
    struct loss_options o = monai(g->channels);
    o.ignore_index = g->ignore ? g->ignore : -1;
    o.include_background = !g->no_background;
    o.dice.batch = g->batch;
    o.dice.squared_pred = g->squared;
    o.dice.jaccard = g->jaccard;
    o.ce.label_smoothing = g->smoothing;
    o.ce.weighted = g->weights;
    for (int c = 0; c < 3; c++)
        o.ce.weight[c] = o.ce.share[c] = c + 1;
    if (g->smooth != 0)
        o.dice.smooth_nr = o.dice.smooth_dr = g->smooth > 0 ? g->smooth : 0;
    return o;
}

static void check_golden(const char *name, const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        check_fail(__FILE__, __LINE__, "%s: %s is %.12g, want %.12g", name, what, got, want);
}

void test_loss_has_the_golden_values_of_monai_nnunet_smp_and_torch(void)
{
    for (size_t k = 0; k < sizeof goldens / sizeof *goldens; k++) {
        const struct golden *g = &goldens[k];
        struct loss_options o = options_of(g);
        struct loss_value value;
        struct batch b;
        golden_batch(&b, g->channels);
        double l64 = evaluate_f64(&b, &o, g->dice_weight, g->ce_weight, &value);
        double l32 = evaluate_f32(&b, &o, g->dice_weight, g->ce_weight, &value);
        double n64 = 0, n32 = 0;
        for (int i = 0; i < N * g->channels * PIXELS; i++) {
            n64 += b.g64[i] * b.g64[i];
            n32 += (double)b.g32[i] * (double)b.g32[i];
        }

        check_golden(g->name, "double loss", l64 + g->shift, g->loss, 1e-9);
        check_golden(g->name, "double |grad|", sqrt(n64), g->grad_l2, 1e-9);
        check_golden(g->name, "double grad[0]", b.g64[0], g->g0, 1e-9);
        check_golden(g->name, "double grad[7]", b.g64[7], g->g7, 1e-9);
        check_golden(g->name, "float loss", l32 + g->shift, g->loss, 1e-5 * g->loss);
        check_golden(g->name, "float |grad|", sqrt(n32), g->grad_l2, 1e-5 * g->grad_l2);
        check_golden(g->name, "float grad[0]", (double)b.g32[0], g->g0, 1e-5 * fabs(g->g0));
        check_golden(g->name, "float grad[7]", (double)b.g32[7], g->g7, 1e-5 * fabs(g->grad_l2));
    }
}

void test_loss_gradient_is_the_finite_difference_for_every_option(void)
{
    for (int bits = 0; bits < 2 * 2 * 2 * 2 * 3 * 2 * 2; bits++) {
        int rest = bits;
        int channels = rest % 2 ? 3 : 1;
        struct loss_options o = monai(channels);
        struct batch b;
        golden_batch(&b, channels);
        o.dice.batch = (rest /= 2) % 2;
        o.dice.squared_pred = (rest /= 2) % 2;
        o.dice.jaccard = (rest /= 2) % 2;
        o.dice.empty = (enum loss_empty)((rest /= 2) % 3);
        o.include_background = (rest /= 3) % 2;
        bool holes = (rest /= 2) % 2;
        o.dice.smooth_nr = 0.3;
        o.dice.smooth_dr = 0.7;
        o.ignore_index = holes && channels == 3 ? 0 : -1;
        for (int i = 0; holes && i < N * PIXELS; i += 4)
            b.labels[i] = LABEL_IGNORED;
        for (int i = 0; i < PIXELS; i++) /* the first sample lacks its last class */
            if (b.labels[i] == (channels == 1 ? 1 : 2))
                b.labels[i] = 0;
        char what[64];
        snprintf(what, sizeof what, "options %d", bits);
        check_differences(&o, &b, bits % 2, 2, what);
    }
}

/* The source question sums over dim=(1,2): right for (N,H,W), one Dice per image column for (N,1,H,W).
   A near-perfect prediction of three pixels in 8x8 then loses 0.875 instead of 0.0106. */
void test_loss_dice_of_one_channel_is_per_image_not_per_column(void)
{
    enum { SIDE = 8 };
    float z[SIDE * SIDE], p[SIDE * SIDE];
    uint8_t y[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) {
        y[i] = i % SIDE == 3 && i / SIDE >= 2 && i / SIDE < 5;
        z[i] = y[i] ? 8.0f : -8.0f;
    }
    struct loss_options o = monai(1);
    o.dice.smooth_nr = o.dice.smooth_dr = 1e-6;
    struct loss_sums sums;
    struct loss_slopes slopes;
    struct loss_value value;
    loss_sums_f32(&o, z, y, SIDE * SIDE, p, NULL, &sums);
    loss_combine(&o, &sums, 1, &value, &slopes);
    CHECK(value.dice < 0.02);
    double columns = 0; /* the trap, spelled out */
    for (int x = 0; x < SIDE; x++) {
        double both = 0, all = 0;
        for (int row = 0; row < SIDE; row++) {
            double q = 1 / (1 + exp(-(double)z[row * SIDE + x]));
            both += q * y[row * SIDE + x];
            all += q + y[row * SIDE + x];
        }
        columns += (1 - (2 * both + 1e-6) / (all + 1e-6)) / SIDE;
    }
    CHECK_NEAR(columns, 0.875, 0.001);
}

void test_loss_of_a_wholly_ignored_batch_is_zero_and_says_so(void)
{
    for (int channels = 1; channels <= 3; channels += 2)
        for (int empty = 0; empty < 3; empty++) {
            struct batch b;
            golden_batch(&b, channels);
            memset(b.labels, LABEL_IGNORED, sizeof b.labels);
            struct loss_options o = monai(channels);
            o.dice.empty = (enum loss_empty)empty;
            o.dice.smooth_nr = o.dice.smooth_dr = 0;
            struct loss_value value;
            CHECK(evaluate_f32(&b, &o, 0.5, 0.5, &value) == 0);
            CHECK(value.valid == 0);
            for (int i = 0; i < N * channels * PIXELS; i++)
                CHECK(b.g32[i] == 0);
        }
}

void test_loss_empty_policies_differ_as_documented(void)
{
    struct batch b;
    golden_batch(&b, 1);
    memset(b.labels, 0, PIXELS); /* sample 0 has no foreground */
    struct loss_options o = monai(1);
    struct loss_value value, alone;
    o.dice.smooth_nr = o.dice.smooth_dr = 1e-6;
    evaluate_f64(&b, &o, 1, 0, &value);
    CHECK_INT(value.groups, 2);
    double largest = 0;
    for (int i = 0; i < PIXELS; i++)
        largest = fmax(largest, fabs(b.g64[i]));
    CHECK(largest < 1e-7); /* a constant penalty without a signal */
    o.dice.empty = LOSS_EMPTY_SKIP;
    evaluate_f64(&b, &o, 1, 0, &alone);
    CHECK_INT(alone.groups, 1);
    CHECK_INT(alone.groups_left, 1);
    CHECK_NEAR((alone.dice + 1) / 2, value.dice, 1e-6);
    o.dice.empty = LOSS_EMPTY_PENALIZE_FP;
    evaluate_f64(&b, &o, 1, 0, &value);
    double mean = 0;
    for (int i = 0; i < PIXELS; i++)
        mean += b.p64[i] / PIXELS;
    CHECK_NEAR(value.dice, (alone.dice + mean) / 2, 1e-12);
    CHECK(b.g64[0] > 0);
}

void test_loss_of_ignored_pixels_never_moves_with_their_logits(void)
{
    struct batch a, b;
    golden_batch(&a, 3);
    struct loss_options o = monai(3);
    o.ignore_index = 1;
    for (int i = 0; i < N * PIXELS; i += 3)
        a.labels[i] = LABEL_IGNORED;
    b = a;
    for (int s = 0; s < N; s++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < PIXELS; i++)
                if (a.labels[s * PIXELS + i] == 1 || a.labels[s * PIXELS + i] == LABEL_IGNORED)
                    b.z32[(s * 3 + c) * PIXELS + i] += 5.0f + (float)c;
    struct loss_value va, vb;
    CHECK(evaluate_f32(&a, &o, 0.5, 0.5, &va) == evaluate_f32(&b, &o, 0.5, 0.5, &vb));
    CHECK(!memcmp(a.g32, b.g32, sizeof(float) * 3 * N * PIXELS));
}

void test_loss_of_a_nan_logit_is_nan(void)
{
    for (int channels = 1; channels <= 3; channels += 2) {
        struct batch b;
        golden_batch(&b, channels);
        b.z32[4] = NAN;
        struct loss_options o = monai(channels);
        struct loss_value value;
        CHECK(isnan(evaluate_f32(&b, &o, 0.5, 0.5, &value)));
        CHECK(isnan(value.ce));
        CHECK(isnan(value.dice));
    }
}

void test_loss_exp_and_log_keep_seven_digits(void)
{
    for (int i = 0; i <= 20000; i++) {
        float x = -(float)i * 0.0043f;
        double want = exp((double)x);
        CHECK_NEAR((double)exp_f32(x), want, 2.5e-7 * want);
        float y = 1.0f + (float)i * 0.0003f;
        CHECK_NEAR((double)log_f32(y), log((double)y), 2e-7 * fmax(1, log((double)y)));
    }
    CHECK(exp_f32(0) == 1 && exp_f32(-100) == 0 && exp_f32(-INFINITY) == 0 && log_f32(1) == 0);
    CHECK(isnan(exp_f32(NAN)) && isnan(log_f32(NAN)));
}
