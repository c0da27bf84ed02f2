/* outbox: what an attempt has to say, waiting for the server: one ordered queue of metric batches, log batches and files. */
#ifndef WORKER_OUTBOX_H
#define WORKER_OUTBOX_H
#include <stdbool.h>
#include <stdint.h>
#include "schema/api/api_call.h"
#include "worker/lease.h"

/* Order is the promise: a checkpoint is sent after every metric that was given before it, so what the server resumes from
   never lies ahead of what it knows. Nothing is dropped: a batch, once numbered, is sent with the same number and the same bytes until the
   server has it (it stores each number once). Batches wait in memory, then in a spool file in `dir`; past `spool_bytes_max` the
   outbox is full and its owner stops reading the child, which then waits in its next write.

      add -> [open metric batch] [open log batch] --1 s or 256 points--> queue: m1 l1 file m2 ... --sender thread--> server */
struct outbox;
struct outbox_settings {
    struct api_client *client;   /* shared is fine */
    struct lease_key key;
    const char *dir;             /* existing; spool and linked files live there; copied */
    int64_t memory_bytes_max;    /* of batches; 0: 1 MiB */
    int64_t spool_bytes_max;     /* 0: 64 MiB */
    int64_t flush_ms;            /* 0: 1000 */
};
enum { OUTBOX_POINTS = 256 };
struct outbox_file {
    const char *path;            /* linked (or copied) before the call returns: may change afterwards */
    const char *name, *kind;     /* "checkpoint-last", "checkpoint" */
    const char *sha256;          /* what it must be; NULL: whatever it is. Another content: a newer one follows, this one is left out */
    int64_t step, epoch;         /* -1: not said */
    double score;                /* NaN: not said */
};
enum outbox_state { OUTBOX_GOOD, OUTBOX_LOST, OUTBOX_REFUSED };

struct outbox *outbox_open(const struct outbox_settings *settings);
void outbox_close(struct outbox *outbox); /* stops the sender within 0.3 s and forgets what is left; NULL is fine */
/* `series`: the array of a metric event (borrowed). ERR_BAD_JSON when it is not of that form; nothing is added then. */
enum err outbox_metric(struct outbox *outbox, const json_t *series, struct err_note *note) MUST_USE;
void outbox_log(struct outbox *outbox, const char *level, const char *text);
/* A checkpoint replaces one of the same name that still waits. ERR_IO, ERR_NO_SPACE. */
enum err outbox_file(struct outbox *outbox, const struct outbox_file *file, struct err_note *note) MUST_USE;
bool outbox_full(struct outbox *outbox);
/* Closes the open batches; true when all was accepted by the server. */
bool outbox_is_empty(struct outbox *outbox);
/* LOST: 409 lease_lost. REFUSED: the server will not have something, ever; `note` says what. */
enum outbox_state outbox_state(struct outbox *outbox, struct err_note *note);
#endif
