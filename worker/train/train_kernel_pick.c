/* train_kernel_pick: which level's loops the trainer runs: those of the level that the network runs at. */
#include <pthread.h>
#include <string.h>
#include "worker/net/kernel_pick.h"
#include "worker/train/train_kernel.h"

static const struct train_kernel *picked;

static void pick(void)
{
    static const struct train_kernel *const wide[] = {&train_kernel_v3, &train_kernel_v4};
    const struct kernel_simd *network = kernel_pick(16);
    picked = &train_kernel_plain;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (network && !strcmp(network->isa, wide[i]->isa))
            picked = wide[i];
}

const struct train_kernel *train_kernel_pick(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, pick);
    return picked;
}
