/* backend_dnnl: oneDNN's 3x3 convolutions with our own kernels for everything else. */
#ifndef WORKER_NET_BACKEND_DNNL_H
#define WORKER_NET_BACKEND_DNNL_H
#include "worker/net/backend.h"

bool backend_dnnl_available(void); /* AVX2 at least */
struct backend backend_dnnl(void);
/* For tests: the implementation oneDNN chose for a layer's kind (0 forward, 1 backward data, 2 backward weights); "simd" if ours. */
const char *backend_dnnl_choice(const struct conv *c, int kind);
#endif
