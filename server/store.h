/* store: the one thread that owns the one database connection; it takes commands, commits them together, then answers. */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "schema/base/err.h"

/* Why one connection: SQLite before 3.51.3 (Debian 12 has 3.40.1) can lose committed rows when two connections in WAL mode
   write and checkpoint at the same moment. Why together: every commit costs a sync of the disk (synchronous=FULL), so
   all commands that wait share one, and nobody is answered before it.

       any thread --store_post--> [bounded queue] --> store thread: BEGIN
                                                       SAVEPOINT, run(command 1), RELEASE (or ROLLBACK TO on an error)
                                                       SAVEPOINT, run(command 2), ...
                                                     COMMIT, events told, done(command 1), done(command 2), ...

   Any I/O error or damage: nothing more is answered, the process ends with 74 and a restart re-reads the disk.
   A full disk: the batch is rolled back and every write in it gets ERR_NO_SPACE; nothing that was answered is lost. */
struct store;
struct store_db; /* the database as a command sees it: only store_*.c look inside */

enum store_priority {
    STORE_WRITE,
    STORE_READ,      /* changes nothing: answered even when the disk is full */
    STORE_ESSENTIAL, /* a worker's or the reaper's write: may use the reserve when the disk is full */
};
struct store_command {
    /* On the store thread, inside a savepoint. Anything but OK undoes what it wrote. May be run again after a full disk,
       so it must set its results anew each time. It never replies to anybody. */
    enum err (*run)(struct store_db *db, struct store_command *c);
    /* On the store thread, after the commit (or the failure): cheap, never waits, may post again; frees the command. */
    void (*done)(struct store_command *c, enum err e);
    enum store_priority priority;
    /* the store's own */
    enum err result, *waiter_result;
    sem_t *waiter;
    struct store_command *next;
};

struct store_settings {
    const char *folder;      /* holds tandem.db, blobs/, backups/, lock; made if absent (mode 0700) */
    size_t queue_max;        /* commands that may wait; 0 = 4096 */
    bool allow_network_fs;   /* then a rollback journal instead of WAL */
    int64_t pages_max;       /* of 4096 bytes; 0 = as the disk allows. For tests and quotas */
    int64_t reserve_bytes;   /* file given back to the disk when it is full; 0 = none */
    const char *vfs;         /* NULL = SQLite's own; tests give a failing one */
    /* After each commit, before the commands' done: the events of the batch in order, on the store thread; `owner` is the id of the token
       that submitted the job. May be NULL. */
    void (*on_event)(void *context, int64_t event_id, const char *job_id, const char *owner, const char *kind, const char *json);
    /* After each commit that made jobs claimable; how many. May be NULL. */
    void (*on_claimable)(void *context, size_t jobs);
    /* After a commit that has a command (cancel, ...) for the worker of this job. May be NULL. */
    void (*on_command)(void *context, const char *job_id);
    void *context;
};

/* Locks the folder, opens, checks (quick_check), migrates, starts the thread. `settings` is copied, its strings must live on.
   ERR_BUSY: another daemon has the folder (its pid is in the note); ERR_CORRUPT: the check failed; ERR_IO. */
enum err store_open(const struct store_settings *settings, struct store **store, struct err_note *note) MUST_USE;
/* 75 busy, 65 corrupt, 74 anything else: sysexits for main. */
int store_exit_code(enum err e);
/* Runs what was posted, closes, frees. Nobody may post any more. NULL is fine. */
void store_close(struct store *s);
/* OK: `c` will get its done() exactly once. ERR_BUSY: the queue is full or closing and `c` still is the caller's. Any thread. */
enum err store_post(struct store *s, struct store_command *c) MUST_USE;
/* The same, but waits for room and for the end; returns done()'s error. For start, stop and tests; never from the store thread. */
enum err store_call(struct store *s, struct store_command *c) MUST_USE;
const char *store_folder(const struct store *s);

struct store_counters {
    uint64_t commands, batches, checkpoints;
    uint64_t batch_max;      /* most commands in one commit so far */
    uint64_t commit_ns;      /* in all */
    uint64_t waiting;        /* now */
    int64_t wal_bytes;       /* now */
    bool low_space;          /* the reserve has been given back to the disk */
};
/* Any thread; never waits for the store thread. */
void store_count(struct store *s, struct store_counters *counters);
#endif
