/* dnnl_shim: the only file that calls oneDNN. Version 3 made memory descriptors opaque and joined operation descriptors with
   primitive descriptors; what differs is in the first part, what is the same in the second. */
#include "worker/net/dnnl_shim.h"

#include <assert.h>
#include <dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Of libgomp, on which Debian's oneDNN runs. Its header comes with gcc only. */
extern void omp_set_num_threads(int threads);

enum { ROLES = 5 /* in, weights, bias, out, scratchpad */ };
struct shim_conv {
    dnnl_primitive_t primitive;
    const char *name; /* oneDNN's own string, as long-lived as its primitive descriptor */
    dnnl_primitive_desc_t description;
    size_t scratch_bytes;
    int lanes, roles;
    int argument[ROLES];
    struct shim_lane {
        dnnl_stream_t stream;
        dnnl_exec_arg_t args[ROLES];
    } lane[];
};
static dnnl_engine_t engine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- what differs between the versions ---------------------------------------------------------------- */
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t shape_desc; /* to be destroyed */
typedef const_dnnl_memory_desc_t seen_desc;
static bool desc_make(shape_desc *d, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(d, rank, dims, dnnl_f32, tag) == dnnl_success;
}
static void desc_drop(shape_desc *d)
{
    if (*d) dnnl_memory_desc_destroy(*d);
}
#define BIAS_OR_NONE(s, b) ((s)->bias ? (b) : NULL)
#else
typedef dnnl_memory_desc_t shape_desc;
typedef const dnnl_memory_desc_t *seen_desc;
static bool desc_make(shape_desc *d, int rank, const dnnl_dims_t dims, dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(d, rank, dims, dnnl_f32, tag) == dnnl_success;
}
static void desc_drop(shape_desc *d)
{
    (void)d;
}
#endif

struct descs {
    shape_desc in, weights, bias, out;
    dnnl_dims_t strides, dilates, before, after;
};

#if DNNL_VERSION_MAJOR >= 3
static dnnl_status_t describe(enum shim_kind kind, const struct shim_conv_shape *s, struct descs *d, dnnl_alg_kind_t how, dnnl_primitive_attr_t attr,
                              dnnl_primitive_desc_t *out)
{
    dnnl_primitive_desc_t forward = NULL;
    shape_desc bias = BIAS_OR_NONE(s, d->bias);
    dnnl_status_t status = dnnl_convolution_forward_primitive_desc_create(&forward, engine, dnnl_forward_training, how, d->in, d->weights, bias, d->out,
                                                                          d->strides, d->dilates, d->before, d->after, attr);
    if (status != dnnl_success || kind == SHIM_FORWARD) {
        *out = forward;
        return status;
    }
    if (kind == SHIM_BACKWARD_DATA)
        status = dnnl_convolution_backward_data_primitive_desc_create(out, engine, how, d->in, d->weights, d->out, d->strides, d->dilates, d->before,
                                                                      d->after, forward, attr);
    else
        status = dnnl_convolution_backward_weights_primitive_desc_create(out, engine, how, d->in, d->weights, bias, d->out, d->strides, d->dilates,
                                                                         d->before, d->after, forward, attr);
    dnnl_primitive_desc_destroy(forward);
    return status;
}
#else
static dnnl_status_t describe(enum shim_kind kind, const struct shim_conv_shape *s, struct descs *d, dnnl_alg_kind_t how, dnnl_primitive_attr_t attr,
                              dnnl_primitive_desc_t *out)
{
    dnnl_convolution_desc_t op, hint_op;
    dnnl_primitive_desc_t hint = NULL;
    const dnnl_memory_desc_t *bias = s->bias ? &d->bias : NULL;
    dnnl_status_t status;
    if (kind == SHIM_FORWARD) {
        status = dnnl_convolution_forward_desc_init(&op, dnnl_forward_training, how, &d->in, &d->weights, bias, &d->out, d->strides, d->before, d->after);
        return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &op, attr, engine, NULL);
    }
    /* a backward kernel asks for a forward one of the same shape, with weights as that likes them */
    dnnl_memory_desc_t any = d->weights;
    any.format_kind = dnnl_format_kind_any;
    status = dnnl_convolution_forward_desc_init(&hint_op, dnnl_forward_training, dnnl_convolution_direct, &d->in, &any, bias, &d->out, d->strides, d->before,
                                                d->after);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(&hint, &hint_op, attr, engine, NULL);
    if (status != dnnl_success) return status;
    if (kind == SHIM_BACKWARD_DATA)
        status = dnnl_convolution_backward_data_desc_init(&op, how, &d->in, &d->weights, &d->out, d->strides, d->before, d->after);
    else
        status = dnnl_convolution_backward_weights_desc_init(&op, how, &d->in, &d->weights, bias, &d->out, d->strides, d->before, d->after);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(out, &op, attr, engine, hint);
    dnnl_primitive_desc_destroy(hint);
    return status;
}
#endif

/* ---- what does not -------------------------------------------------------------------------------------- */
static void start(void)
{
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) engine = NULL;
}

bool shim_start(void)
{
    pthread_once(&once, start);
    return engine != NULL;
}

const char *shim_library(void)
{
    static char name[48];
    const dnnl_version_t *v = dnnl_version();
    snprintf(name, sizeof name, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return name;
}

void shim_thread_start(void)
{
    omp_set_num_threads(1);
}

int shim_block(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core) return 16;
    return (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? 8 : 0;
}

static bool make_descs(const struct shim_conv_shape *s, struct descs *d)
{
    const dnnl_dims_t in = {1, s->in_channels, s->in_rows, s->in_columns}, out = {1, s->out_channels, s->out_rows, s->out_columns};
    const dnnl_dims_t weights = {s->out_channels, s->in_channels, 3, 3}, bias = {s->out_channels};
    dnnl_format_tag_t plain = s->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
    dnnl_format_tag_t straight = s->block == 16 ? dnnl_OIhw16i16o : dnnl_OIhw8i8o, flipped = s->block == 16 ? dnnl_OIhw16o16i : dnnl_OIhw8o8i;
    *d = (struct descs){.strides = {s->stride, s->stride}, .before = {1, 1}};
    d->after[0] = (s->out_rows - 1) * s->stride + 3 - 1 - s->in_rows;
    d->after[1] = (s->out_columns - 1) * s->stride + 3 - 1 - s->in_columns;
    return desc_make(&d->in, 4, in, plain) && desc_make(&d->out, 4, out, plain) && desc_make(&d->bias, 1, bias, dnnl_x) &&
           desc_make(&d->weights, 4, weights, s->flipped ? flipped : straight);
}

static dnnl_primitive_desc_t describe_conv(enum shim_kind kind, const struct shim_conv_shape *s)
{
    struct descs d = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t description = NULL;
    if (make_descs(s, &d) && dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success &&
        describe(kind, s, &d, dnnl_convolution_direct, attr, &description) != dnnl_success)
        description = NULL;
    if (attr) dnnl_primitive_attr_destroy(attr);
    desc_drop(&d.in), desc_drop(&d.weights), desc_drop(&d.bias), desc_drop(&d.out);
    return description;
}

/* Which role is which argument of oneDNN, and how its memory is described; 0: not used by this kind. */
static const struct {
    int argument;
    dnnl_query_t query;
} roles[3][ROLES] = {
    [SHIM_FORWARD] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md}, {DNNL_ARG_BIAS, dnnl_query_weights_md},
                      {DNNL_ARG_DST, dnnl_query_dst_md}, {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md}},
    [SHIM_BACKWARD_DATA] = {{DNNL_ARG_DIFF_SRC, dnnl_query_diff_src_md}, {DNNL_ARG_WEIGHTS, dnnl_query_weights_md}, {0, dnnl_query_undef},
                            {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md}, {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md}},
    [SHIM_BACKWARD_WEIGHTS] = {{DNNL_ARG_SRC, dnnl_query_src_md}, {DNNL_ARG_DIFF_WEIGHTS, dnnl_query_diff_weights_md},
                               {DNNL_ARG_DIFF_BIAS, dnnl_query_diff_weights_md}, {DNNL_ARG_DIFF_DST, dnnl_query_diff_dst_md},
                               {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md}},
};
enum { ROLE_BIAS = 2, ROLE_SCRATCH = 4 };

static bool make_lane(struct shim_conv *c, struct shim_lane *lane, enum shim_kind kind, bool bias)
{
    if (dnnl_stream_create(&lane->stream, engine, dnnl_stream_default_flags) != dnnl_success) return false;
    for (int role = 0; role < ROLES; role++) {
        bool used = roles[kind][role].argument && (role != ROLE_BIAS || bias);
        if (!used) continue;
        seen_desc d = dnnl_primitive_desc_query_md(c->description, roles[kind][role].query, role == ROLE_BIAS);
        dnnl_exec_arg_t *arg = &lane->args[role];
        if (!d || dnnl_memory_create(&arg->memory, d, engine, DNNL_MEMORY_NONE) != dnnl_success) return false;
        arg->arg = roles[kind][role].argument;
    }
    return true;
}

struct shim_conv *shim_conv_new(enum shim_kind kind, const struct shim_conv_shape *s, int lanes)
{
    if (!shim_start()) return NULL;
    dnnl_primitive_desc_t description = describe_conv(kind, s);
    if (!description) return NULL;
    struct shim_conv *c = calloc(1, sizeof *c + (size_t)lanes * sizeof c->lane[0]);
    if (!c) {
        dnnl_primitive_desc_destroy(description);
        return NULL;
    }
    c->description = description;
    c->lanes = lanes;
    seen_desc scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    c->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    bool good = dnnl_primitive_create(&c->primitive, description) == dnnl_success &&
                dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &c->name) == dnnl_success;
    for (int i = 0; i < lanes && good; i++) good = make_lane(c, &c->lane[i], kind, s->bias);
    if (good) return c;
    shim_conv_free(c);
    return NULL;
}

void shim_conv_free(struct shim_conv *c)
{
    if (!c) return;
    for (int i = 0; i < c->lanes; i++) {
        for (int role = 0; role < ROLES; role++)
            if (c->lane[i].args[role].memory) dnnl_memory_destroy(c->lane[i].args[role].memory);
        if (c->lane[i].stream) dnnl_stream_destroy(c->lane[i].stream);
    }
    if (c->primitive) dnnl_primitive_destroy(c->primitive);
    dnnl_primitive_desc_destroy(c->description);
    free(c);
}

const char *shim_conv_name(const struct shim_conv *c)
{
    return c->name;
}

size_t shim_conv_scratch_bytes(const struct shim_conv *c)
{
    return c->scratch_bytes;
}

void shim_conv_run(struct shim_conv *c, int lane, void *scratch, void *in, void *weights, void *bias, void *out)
{
    struct shim_lane *l = &c->lane[lane];
    void *const pointer[ROLES] = {in, weights, bias, out, scratch};
    dnnl_exec_arg_t args[ROLES];
    int count = 0;
    assert(lane < c->lanes);
    for (int role = 0; role < ROLES; role++) {
        if (!l->args[role].memory) continue;
        dnnl_status_t set = dnnl_memory_set_data_handle(l->args[role].memory, role == ROLE_SCRATCH && !c->scratch_bytes ? NULL : pointer[role]);
        assert(set == dnnl_success);
        (void)set;
        args[count++] = l->args[role];
    }
    dnnl_status_t ran = dnnl_primitive_execute(c->primitive, l->stream, count, args);
    if (ran == dnnl_success) ran = dnnl_stream_wait(l->stream);
    assert(ran == dnnl_success);
    (void)ran;
}
