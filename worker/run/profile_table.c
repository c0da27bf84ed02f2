/* profile_table: where a run's time went, as a table to read. */
#include "worker/run/profile_table.h"

struct work {
    double seconds, flops;
};

static struct work work_of(const struct network *net, const struct profile_layer *layer, int k)
{
    if (layer->kinds[k] == PROFILE_NONE)
        return (struct work){0};
    struct profile_sum sum = profile_sum_of_node(network_profile(net), layer->kinds[k], layer->node);
    return (struct work){.seconds = sum.seconds, .flops = (layer->kinds[k] == PROFILE_CONV_BACKWARD ? 2 : 1) * layer->flops * (double)sum.samples};
}

static double flops_of_kind(const struct network *net, enum profile_kind kind)
{
    struct profile_layer layer;
    double flops = 0;
    for (int i = 0; network_profile_layer(net, i, &layer); i++)
        for (int k = 0; k < PROFILE_LAYER_KINDS; k++)
            if (layer.kinds[k] == kind)
                flops += work_of(net, &layer, k).flops;
    return flops;
}

static void print_kind(FILE *to, const char *name, struct work w, double all, double images)
{
    fprintf(to, "  %-32s %10.4f %7.2f %%", name, images > 0 ? 1e3 * w.seconds / images : 0, all > 0 ? 100 * w.seconds / all : 0);
    if (w.flops > 0 && w.seconds > 0)
        fprintf(to, " %9.1f", w.flops / w.seconds * 1e-9);
    fprintf(to, "\n");
}

static void print_kinds(FILE *to, const struct network *net, double all, double images)
{
    const struct profile *p = network_profile(net);
    struct work sum = {.seconds = all};
    fprintf(to, "  %-32s %10s %9s %9s\n", "kind", "ms/image", "share", "GFLOP/s");
    for (int k = 0; k < PROFILE_KINDS; k++) {
        enum profile_kind kind = (enum profile_kind)k;
        struct work w = {.seconds = profile_sum_of(p, kind).seconds, .flops = flops_of_kind(net, kind)};
        sum.flops += w.flops;
        print_kind(to, profile_kind_name(kind), w, all, images);
    }
    print_kind(to, "all", sum, all, images);
}

static void print_layers(FILE *to, const struct network *net, double images)
{
    static const char *const columns[PROFILE_LAYER_KINDS] = {"forward", "backward data", "backward weights", "data and weights"};
    struct profile_layer layer;
    fprintf(to, "  %-20s", "layer: ms/image GFLOP/s");
    for (int k = 0; k < PROFILE_LAYER_KINDS; k++)
        fprintf(to, "  %-37s", columns[k]);
    fprintf(to, "\n");
    for (int i = 0; network_profile_layer(net, i, &layer); i++) {
        fprintf(to, "  %-22s", layer.name);
        for (int k = 0; k < PROFILE_LAYER_KINDS; k++) {
            struct work w = work_of(net, &layer, k);
            if (w.seconds > 0)
                fprintf(to, "  %8.3f %6.1f %-21s", 1e3 * w.seconds / images, w.flops / w.seconds * 1e-9, layer.choice[k]);
            else
                fprintf(to, "  %-37s", "-");
        }
        fprintf(to, "\n");
    }
}

void profile_table_print(FILE *to, const struct network *net)
{
    const struct profile *p = network_profile(net);
    double all = profile_lane_seconds(p), images = (double)profile_images(p);
    int lanes = profile_lanes(p);
    fprintf(to, "profile: %lld steps, %.0f images, %d lane%s, %.3f s: an image took %.3f ms of a lane, %s on %d x %d patches\n", (long long)profile_steps(p), images, lanes,
            lanes == 1 ? "" : "s", all / lanes, images > 0 ? 1e3 * all / images : 0, network_config(net)->backend, network_config(net)->patch[0], network_config(net)->patch[1]);
    fprintf(to, "  (work of the lanes by their processor time; validation, checkpoint, metrics, bookkeeping by the wall clock times the lanes)\n");
    print_kinds(to, net, all, images);
    double checkpoint = profile_sum_of(p, PROFILE_CHECKPOINT).seconds, bookkeeping = profile_sum_of(p, PROFILE_BOOKKEEPING).seconds;
    double metrics = profile_sum_of(p, PROFILE_METRICS).seconds, validation = profile_sum_of(p, PROFILE_VALIDATION).seconds;
    double steps = all - checkpoint - bookkeeping - validation;
    if (steps > 0)
        fprintf(to, "  checkpoint and bookkeeping: %.2f %% of the run, %.2f %% of it without validation; metrics: %.3f %% of a step\n",
                100 * (checkpoint + bookkeeping) / all, 100 * (checkpoint + bookkeeping) / (all - validation), 100 * metrics / steps);
    print_layers(to, net, images);
}
