/* graph: building the node list of a U-Net, level by level. */
#include "worker/net/graph.h"

#include <assert.h>
#include <stdio.h>

#include "worker/net/op.h"

struct build {
    struct graph *g;
    const struct network_config *config;
    int cat[NETWORK_LEVELS_MAX];
    int gradient[VALUES_MAX]; /* buffer of each value without parent; NONE until asked for */
};

static struct shape level_shape(const struct build *b, int level)
{
    struct shape s = {.rank = b->config->rank, .dims = {1, 1, 1}};
    for (int i = 0; i < s.rank; i++) s.dims[i] = b->config->patch[i];
    return shape_halved(s, level);
}

static int add_value(struct build *b, size_t count)
{
    assert(b->g->values < VALUES_MAX);
    b->g->value[b->g->values] = (struct value){.parent = NONE, .in_place_of = NONE, .count = count};
    return b->g->values++;
}

static int add_activation(struct build *b, int level)
{
    return add_value(b, activation_count(1, b->config->widths[level], level_shape(b, level), b->g->block));
}

/* Half `part` of the two-part input of a decoder level. */
static int add_half(struct build *b, int level, int part)
{
    int v = add_activation(b, level);
    b->g->value[v].parent = b->cat[level];
    b->g->value[v].first = (size_t)part * b->g->value[v].count;
    return v;
}

static int add_tensor(struct build *b, const char *node, const char *what, struct tensor_layout layout, int fan_in)
{
    struct graph *g = b->g;
    assert(g->tensors < TENSORS_MAX);
    struct tensor *t = &g->tensor[g->tensors];
    layout.block = g->block;
    *t = (struct tensor){.layout = layout, .first = g->arena_count, .fan_in = fan_in};
    t->as.offset = g->canonical_count;
    t->as.count = tensor_canonical_count(&layout);
    snprintf(t->as.name, sizeof t->as.name, "%s.%s", node, what);
    int in = layout.parts * layout.in, *d = t->as.dims;
    d[0] = layout.kind == TENSOR_UP ? in : layout.out;
    t->as.rank = 1;
    if (layout.kind == TENSOR_CONV || layout.kind == TENSOR_UP || layout.kind == TENSOR_HEAD) {
        d[1] = layout.kind == TENSOR_UP ? layout.out : in;
        t->as.rank = 2 + b->config->rank;
        for (int i = 2; i < t->as.rank; i++) d[i] = layout.kind == TENSOR_CONV ? 3 : layout.kind == TENSOR_UP ? 2 : 1;
    }
    size_t line = ARENA_ALIGN_ELEMENTS;
    g->arena_count += (tensor_arena_count(&layout) + line - 1) / line * line;
    g->canonical_count += t->as.count;
    return g->tensors++;
}

static struct node *add_node(struct build *b, const struct op *op, int in, int out)
{
    assert(b->g->nodes < NODES_MAX);
    struct gradient_ref none = {NONE, 0};
    struct node *n = &b->g->node[b->g->nodes++];
    *n = (struct node){.op = op, .in = in, .out = out, .weight = NONE, .bias = NONE, .layer = NONE, .through = {NONE, NONE, NONE},
                       .d_out = none, .d_more = none, .d_in = none};
    return n;
}

static int taps(const struct network_config *c, int kernel)
{
    return c->rank == 3 ? kernel * kernel * kernel : kernel * kernel;
}

/* One [conv, norm_act] pair; `out` is the value that norm_act writes. */
static void add_conv(struct build *b, const char *where, int level, int which, int in, int out, struct conv_shape s)
{
    const struct network_config *c = b->config;
    struct graph *g = b->g;
    int width = c->widths[level], z = add_activation(b, level), fan_in = s.parts * s.in_channels * taps(c, 3);
    struct node *n = add_node(b, &op_conv, in, z);
    s.block = g->block;
    s.out_channels = width;
    s.out = level_shape(b, level);
    s.bias = c->conv_bias;
    n->shape.conv = s;
    n->layer = g->layers++;
    snprintf(n->name, sizeof n->name, "%s.%d.conv.%d", where, level, which);
    n->weight = add_tensor(b, n->name, "weight", (struct tensor_layout){.kind = TENSOR_CONV, .out = width, .parts = s.parts, .in = s.in_channels,
                                                                        .taps = taps(c, 3), .image = s.image}, fan_in);
    struct tensor_layout channels = {.kind = TENSOR_CHANNELS, .out = width, .parts = 1, .in = 1, .taps = 1};
    if (c->conv_bias) n->bias = add_tensor(b, n->name, "bias", channels, fan_in);

    n = add_node(b, &op_norm_act, z, out);
    snprintf(n->name, sizeof n->name, "%s.%d.norm.%d", where, level, which);
    n->shape.norm = (struct norm_shape){.block = g->block, .channels = width, .pixels = shape_pixels(s.out), .norm = c->norm, .groups = c->groups,
                                        .slope = c->activation == MODEL_RELU ? 0 : c->slope};
    if (g->value[out].parent == NONE) g->value[out].in_place_of = z;
    if (c->norm == MODEL_NORM_NONE) return;
    n->stats = g->stats_count;
    g->stats_count += 2 * (size_t)channels_padded(width, g->block);
    n->weight = add_tensor(b, n->name, "weight", channels, 0);
    n->bias = add_tensor(b, n->name, "bias", channels, 0);
    g->tensor[n->weight].norm_weight = true;
    g->tensor[n->bias].norm_bias = true;
}

/* A block of convs pairs from `in`; the last output is `last`, or a new value when NONE. Returns it. */
static int add_block(struct build *b, const char *where, int level, int in, int last, struct conv_shape first)
{
    struct conv_shape s = first;
    for (int i = 0; i < b->config->convs; i++) {
        int out = i == b->config->convs - 1 && last != NONE ? last : add_activation(b, level);
        add_conv(b, where, level, i, in, out, s);
        s = (struct conv_shape){.in = level_shape(b, level), .parts = 1, .in_channels = b->config->widths[level], .stride = 1};
        in = out;
    }
    return in;
}

static int add_encoder(struct build *b, int level, int in)
{
    const struct network_config *c = b->config;
    struct conv_shape s = {.in = level_shape(b, level), .parts = 1, .in_channels = level ? c->widths[level - 1] : c->in_channels, .stride = 1,
                           .image = level == 0};
    if (level && c->down == MODEL_DOWN_MAXPOOL) {
        int out = add_value(b, activation_count(1, c->widths[level - 1], level_shape(b, level), b->g->block));
        struct node *n = add_node(b, &op_pool, in, out);
        n->shape.pool = (struct pool_shape){.block = b->g->block, .channels = c->widths[level - 1], .in = level_shape(b, level - 1)};
        snprintf(n->name, sizeof n->name, "encoder.%d.pool", level);
        in = out;
    } else if (level) {
        s.in = level_shape(b, level - 1);
        s.stride = 2;
    }
    int last = NONE;
    if (level < c->levels - 1) {
        b->cat[level] = add_value(b, activation_count(2, c->widths[level], level_shape(b, level), b->g->block));
        last = add_half(b, level, 0);
    }
    return add_block(b, "encoder", level, in, last, s);
}

static int add_decoder(struct build *b, int level, int in)
{
    const struct network_config *c = b->config;
    int width = c->widths[level], deeper = c->widths[level + 1], fan_in = width * taps(c, 2); /* as PyTorch counts it */
    struct node *n = add_node(b, &op_up, in, add_half(b, level, 1));
    n->shape.up = (struct up_shape){.block = b->g->block, .in = level_shape(b, level + 1), .in_channels = deeper, .out_channels = width};
    snprintf(n->name, sizeof n->name, "decoder.%d.up", level);
    n->weight = add_tensor(b, n->name, "weight", (struct tensor_layout){.kind = TENSOR_UP, .out = width, .parts = 1, .in = deeper, .taps = taps(c, 2)},
                           fan_in);
    n->bias = add_tensor(b, n->name, "bias", (struct tensor_layout){.kind = TENSOR_CHANNELS, .out = width, .parts = 1, .in = 1, .taps = 1}, fan_in);
    struct conv_shape s = {.in = level_shape(b, level), .parts = 2, .in_channels = width, .stride = 1};
    return add_block(b, "decoder", level, b->cat[level], NONE, s);
}

static void add_head(struct build *b, int in)
{
    const struct network_config *c = b->config;
    struct node *n = add_node(b, &op_head, in, NONE);
    snprintf(n->name, sizeof n->name, "head");
    n->shape.head = (struct head_shape){.block = b->g->block, .channels = c->widths[0], .out_channels = c->out_channels,
                                        .pixels = shape_pixels(level_shape(b, 0))};
    n->weight = add_tensor(b, n->name, "weight", (struct tensor_layout){.kind = TENSOR_HEAD, .out = c->out_channels, .parts = 1, .in = c->widths[0],
                                                                        .taps = 1}, c->widths[0]);
    n->bias = add_tensor(b, n->name, "bias", (struct tensor_layout){.kind = TENSOR_PLAIN, .out = c->out_channels, .parts = 1, .in = 1, .taps = 1},
                         c->widths[0]);
}

/* ---- gradients --------------------------------------------------------------------------------------- */
static int add_buffer(struct build *b, size_t count)
{
    b->g->buffer[b->g->buffers] = (struct gradient_buffer){.count = count};
    return b->g->buffers++;
}

static struct gradient_ref gradient_of(struct build *b, int value)
{
    const struct value *v = &b->g->value[value];
    int root = v->parent == NONE ? value : v->parent;
    if (b->gradient[root] == NONE) b->gradient[root] = add_buffer(b, b->g->value[root].count);
    return (struct gradient_ref){b->gradient[root], v->first};
}

/* From the last node to the first: where each finds the gradient of its output and leaves that of its input. A skip value
   that a strided convolution reads, too, gets that second gradient in a buffer of its own (`second`). */
static void place_gradients(struct build *b)
{
    struct gradient_ref second[VALUES_MAX], z = {NONE, 0};
    for (int i = 0; i < b->g->values; i++) second[i].buffer = b->gradient[i] = NONE;
    for (int i = b->g->nodes - 1; i >= 0; i--) {
        struct node *n = &b->g->node[i];
        if (n->op == &op_norm_act) {
            n->d_out = gradient_of(b, n->out);
            if (second[n->out].buffer != NONE) {
                n->d_more = n->d_out;
                n->d_out = second[n->out];
            }
            z = n->d_in = n->d_out;
            continue;
        }
        if (n->op == &op_conv) n->d_out = z; /* its norm_act is the next node */
        else if (n->op != &op_head) n->d_out = gradient_of(b, n->out);
        if (n->in == b->g->image) continue;
        if (n->op == &op_conv && b->g->value[n->in].parent != NONE)
            n->d_in = second[n->in] = (struct gradient_ref){add_buffer(b, b->g->value[n->in].count), 0};
        else n->d_in = gradient_of(b, n->in);
    }
}

static void begin_stage(struct build *b, int level)
{
    struct graph *g = b->g;
    size_t pixels = shape_pixels(level_shape(b, level)), most = b->config->part_pixels ? (size_t)b->config->part_pixels : PART_PIXELS;
    assert(g->stages < STAGES_MAX);
    g->stage[g->stages++] = (struct stage){.first_node = g->nodes, .first_tensor = g->tensors, .fit = pixels < most ? (int)(most / pixels) : 1};
}

static void end_stage(struct graph *g)
{
    struct stage *s = &g->stage[g->stages - 1];
    s->end_node = g->nodes;
    s->end_tensor = g->tensors;
}

const struct node *graph_norm_before(const struct graph *g, const struct node *n)
{
    for (const struct node *norm = g->node; n->in != NONE && norm < n; norm++) {
        if (norm->op != &op_norm_act) continue;
        const struct value *out = &g->value[norm->out];
        if (norm->out == n->in || (out->parent == n->in && out->first == 0)) return norm;
    }
    return NULL;
}

void graph_build(struct graph *g, const struct network_config *config, int block, size_t image_count)
{
    *g = (struct graph){.block = block, .levels = config->levels};
    struct build b = {.g = g, .config = config};
    int v = g->image = add_value(&b, image_count);
    for (int level = 0; level < config->levels; level++, end_stage(g)) {
        begin_stage(&b, level);
        v = add_encoder(&b, level, v);
    }
    for (int level = config->levels - 2; level >= 0; level--, end_stage(g)) {
        begin_stage(&b, level);
        v = add_decoder(&b, level, v);
    }
    add_head(&b, v);
    end_stage(g);
    place_gradients(&b);
}
