/* kernel_pick: which level of x86-64 this machine has. */
#ifndef WORKER_NET_KERNEL_PICK_H
#define WORKER_NET_KERNEL_PICK_H
#include "worker/net/kernel_simd.h"

/* The widest kernels that the machine has and that fit the block; NULL when there are none. The environment variable
   TANDEM_ISA (v2, v3, v4) asks for one level; where it cannot be had a warning says so. */
const struct kernel_simd *kernel_pick(int block);
#endif
