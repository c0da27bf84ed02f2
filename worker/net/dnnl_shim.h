/* dnnl_shim: oneDNN's 3x3 convolutions behind one face, the same for its versions 2 and 3. Nothing of dnnl.h shows here. */
#ifndef WORKER_NET_DNNL_SHIM_H
#define WORKER_NET_DNNL_SHIM_H
#include <stdbool.h>
#include <stddef.h>

enum shim_kind { SHIM_FORWARD, SHIM_BACKWARD_DATA, SHIM_BACKWARD_WEIGHTS };
/* One sample, float; channels are multiples of the block, activations [channels/block][rows][columns][block]. Weights
   [out/B][in/B][9][B in][B out], or [B out][B in] when flipped. Padding 1 in front; behind, what the output needs. */
struct shim_conv_shape {
    int block, in_channels, out_channels, in_rows, in_columns, out_rows, out_columns, stride;
    bool bias, flipped;
};
struct shim_conv;

bool shim_start(void);       /* makes the engine, once; false when there is none. Thread-safe. */
int shim_block(void);        /* the block this machine's kernels like: 16 with AVX-512, 8 with AVX2; 0: none of them is fast */
const char *shim_library(void); /* "oneDNN 2.6.3": the one that is loaded */
void shim_thread_start(void);/* one thread per call of a kernel: must run in each thread that makes or runs one */
/* Direct convolution. NULL when oneDNN has no such kernel or no memory. lanes: how many threads may run it at once. */
struct shim_conv *shim_conv_new(enum shim_kind kind, const struct shim_conv_shape *s, int lanes);
void shim_conv_free(struct shim_conv *c); /* NULL is fine */
const char *shim_conv_name(const struct shim_conv *c); /* "jit:avx2"; never one with "ref" in a good build */
size_t shim_conv_scratch_bytes(const struct shim_conv *c);
/* Roles by kind: forward in, weights, bias -> out; backward data out, weights -> in; backward weights in, out -> weights, bias.
   Those that are not of the kind, or a bias that the shape has not, are ignored. Allocates nothing. */
void shim_conv_run(struct shim_conv *c, int lane, void *scratch, void *in, void *weights, void *bias, void *out);
#endif
