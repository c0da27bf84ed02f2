/* backend_ref: the law. Plain C for any block, in float and in double, with sums in double. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/net/backend.h"

struct conv {
    struct conv_shape shape;
};
/* One loop serves forward and both backward kinds; what it only reads comes in as const. */
#define UNCONST(pointer) ((void *)(uintptr_t)(pointer))

static size_t ref_image_count(int block, int channels, struct shape s)
{
    (void)block;
    return (size_t)channels * shape_pixels(s);
}

static enum err ref_conv_new(const struct conv_shape *s, const struct conv_use *use, struct network_layer_kernels *kernels, struct conv **out,
                             struct err_note *note)
{
    (void)use;
    kernels->forward = kernels->backward_data = kernels->backward_weights = ALGORITHM_DIRECT;
    *out = malloc(sizeof **out);
    if (!*out) return err_set(note, ERR_NO_MEMORY, "", "no memory for a convolution layer");
    (*out)->shape = *s;
    return OK;
}

static void ref_conv_free(struct conv *c)
{
    free(c);
}

static size_t ref_conv_scratch_bytes(const struct conv *c)
{
    (void)c;
    return 0;
}

static size_t ref_conv_prepared_count(const struct conv *c, bool backward)
{
    (void)c, (void)backward;
    return 0;
}

static const char *ref_conv_choice(const struct conv *c, int kind)
{
    (void)c, (void)kind;
    return "ref";
}

#define REAL float
#define NAME(name) name##_float
#include "worker/net/ref_kernels.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(name) name##_double
#include "worker/net/ref_kernels.h"
#undef REAL
#undef NAME
