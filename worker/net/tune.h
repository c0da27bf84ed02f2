/* tune: times each 3x3 layer and kind of a network alone, by each algorithm and micro-batch, and picks what makes a step fastest. */
#ifndef WORKER_NET_TUNE_H
#define WORKER_NET_TUNE_H
#include "worker/net/network.h"

/* TUNE_BACKWARD: data and weights in one, as Winograd's kernels do where both are theirs. */
enum tune_kind { TUNE_FORWARD, TUNE_BACKWARD_DATA, TUNE_BACKWARD_WEIGHTS, TUNE_BACKWARD, TUNE_KINDS };
enum { TUNE_ENTRIES_MAX = 2048 };

/* What one layer of that shape costs in one kind: facts about this machine and program, kept from job to job. */
struct tune_entry {
    int block, rows, columns, ins, outs, stride; /* pixels of the input, padded channels */
    enum tune_kind kind;
    enum network_algorithm algorithm;
    int samples;  /* of a call */
    double ns;    /* of processor time, a sample; 0: not to be had here */
    double prepare_ns; /* making the weights that it reads, once a step */
};
struct tune_table {
    int count;
    int known; /* the first of them were there before: what follows was measured in this run */
    struct tune_entry entry[TUNE_ENTRIES_MAX];
};

/* Fills `kernels` for the network of `config` (its lanes, batch and backend; `kernels` and `inference_only` of it are not read):
   for every layer and kind the algorithm of the least time, and the micro-batch with the least time of a step in all. Looks up
   what `table` knows, measures the rest on the calling thread and adds it: with the same table the choice is the same. A layer
   with one algorithm only is direct and not measured. Micro-batches up to micro_batch_tuned_max (schema/job/job_memory.h).
   ERR_NO_MEMORY, and what network_new refuses. */
enum err network_tune(const struct network_config *config, struct tune_table *table, struct network_kernels *kernels, struct err_note *note) MUST_USE;
#endif
