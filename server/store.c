/* store: the thread: takes what waits, runs it in one transaction, commits, tells, answers; checkpoints in between. */
#include "server/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "server/must.h"
#include "server/store_backup.h"
#include "server/store_db.h"
#include "server/store_migrate.h"
#include "server/store_open.h"

enum {
    QUEUE_MAX_DEFAULT = 4096,
    BATCH_MAX = 512,           /* 36 k submits/s were reached with 128; more only makes the first wait longer */
    CHECKPOINT_PAGES = 4000,   /* 16 MiB of WAL */
    RESERVE_RETRY_MS = 5000
};

struct store {
    struct store_settings settings;
    struct store_db db;
    int lock_fd;
    pthread_t thread;
    pthread_mutex_t mutex;     /* guards what follows */
    pthread_cond_t work;
    struct store_command *first, **last;
    size_t waiting;
    bool closing;
    struct store_counters counters;
    int64_t reserve_at_ms;     /* when it was last tried to make it again */
};

/* Which commands of a batch may run: on a full disk first the workers' alone (with the reserve given back), then reads alone. */
enum level { LEVEL_ALL, LEVEL_ESSENTIAL, LEVEL_READS };

static bool may_run(const struct store_command *c, enum level level)
{
    switch (c->priority) {
    case STORE_WRITE: return level == LEVEL_ALL;
    case STORE_ESSENTIAL: return level != LEVEL_READS;
    case STORE_READ: return true;
    }
    return false;
}

static enum err simple(struct store_db *db, const char *sql)
{
    return store_run(db, sql, NULL, "");
}

/* OK also when the command refused; ERR_NO_SPACE ends the batch. */
static enum err run_one(struct store_db *db, struct store_command *c)
{
    size_t told = db->told_count;
    bool writes = c->priority != STORE_READ;
    enum err e = writes ? simple(db, "SAVEPOINT command") : OK;
    if (e) return e;
    c->result = c->run(db, c);
    if (c->result == ERR_NO_SPACE || sqlite3_get_autocommit(db->db)) return ERR_NO_SPACE;
    if (c->result) store_untell(db, told);
    if (!writes) return OK;
    if (c->result) e = simple(db, "ROLLBACK TO command");
    return e ? e : simple(db, "RELEASE command");
}

/* Runs and commits the whole list or nothing. */
static enum err run_list(struct store_db *db, struct store_command *list, enum level level)
{
    enum err e = simple(db, "BEGIN");
    for (struct store_command *c = list; c && !e; c = c->next) {
        c->result = ERR_NO_SPACE;
        if (may_run(c, level)) e = run_one(db, c);
    }
    if (!e) e = simple(db, "COMMIT");
    if (!e) return OK;
    store_untell(db, 0);
    if (!sqlite3_get_autocommit(db->db)) {
        enum err undo = simple(db, "ROLLBACK");
        assert(undo == OK || sqlite3_get_autocommit(db->db));
    }
    return e;
}

static void free_reserve(struct store *s)
{
    pthread_mutex_lock(&s->mutex);
    bool had = !s->counters.low_space && s->settings.reserve_bytes > 0;
    s->counters.low_space = true;
    pthread_mutex_unlock(&s->mutex);
    s->reserve_at_ms = clock_mono_ms();
    if (had) store_reserve_free(s->settings.folder);
    log_error("store.no_space", "folder=%s reserve=%s", s->settings.folder, had ? "given back" : "gone already");
}

static void make_reserve_again(struct store *s)
{
    int64_t now = clock_mono_ms();
    if (!s->counters.low_space || now - s->reserve_at_ms < RESERVE_RETRY_MS) return;
    s->reserve_at_ms = now;
    if (s->settings.reserve_bytes > 0 && !store_reserve_make(s->settings.folder, s->settings.reserve_bytes)) return;
    pthread_mutex_lock(&s->mutex);
    s->counters.low_space = false;
    pthread_mutex_unlock(&s->mutex);
    log_info("store.space", "folder=%s", s->settings.folder);
}

static void run_batch(struct store *s, struct store_command *list)
{
    for (enum level level = LEVEL_ALL;; level++) {
        enum err e = run_list(&s->db, list, level);
        if (!e) return;
        if (e == ERR_NO_SPACE && level < LEVEL_READS) {
            if (level == LEVEL_ALL) free_reserve(s);
            continue;
        }
        for (struct store_command *c = list; c; c = c->next) c->result = e;
        return;
    }
}

static void tell_all(struct store *s)
{
    const struct store_settings *set = &s->settings;
    size_t claimable = 0;
    for (size_t i = 0; i < s->db.told_count; i++) {
        const struct store_told *t = &s->db.told[i];
        if (t->what == TOLD_CLAIMABLE) claimable++;
        if (t->what == TOLD_EVENT && set->on_event) set->on_event(set->context, t->event_id, t->job_id, t->token_id, t->kind, t->json);
        if (t->what == TOLD_COMMAND && set->on_command) set->on_command(set->context, t->job_id);
    }
    if (claimable && set->on_claimable) set->on_claimable(set->context, claimable);
    store_untell(&s->db, 0);
}

static void answer_all(struct store_command *list)
{
    while (list) {
        struct store_command *c = list;
        list = c->next;
        sem_t *waiter = c->waiter;
        enum err *result = c->waiter_result, e = c->result;
        c->done(c, e);
        if (!waiter) continue;
        *result = e;
        sem_post(waiter);
    }
}

static void checkpoint(struct store *s)
{
    if (s->db.wal_pages < CHECKPOINT_PAGES) return;
    int rc = sqlite3_wal_checkpoint_v2(s->db.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    s->db.wal_pages = 0;
    enum err e = store_err_of(&s->db, rc, "checkpoint");
    if (e) log_warn("store.checkpoint", "error=%s", err_word(e));
    pthread_mutex_lock(&s->mutex);
    s->counters.checkpoints++;
    pthread_mutex_unlock(&s->mutex);
}

static void count(struct store *s, size_t taken, int64_t ns)
{
    pthread_mutex_lock(&s->mutex);
    s->counters.batches++;
    s->counters.commands += taken;
    s->counters.commit_ns += (uint64_t)ns;
    s->counters.wal_bytes = (int64_t)s->db.wal_pages * 4096;
    if (taken > s->counters.batch_max) s->counters.batch_max = taken;
    pthread_mutex_unlock(&s->mutex);
}

/* Takes at most BATCH_MAX in the order they came; waits unless a backup goes on. NULL: nothing. */
static struct store_command *take(struct store *s, bool wait, size_t *taken)
{
    pthread_mutex_lock(&s->mutex);
    while (wait && !s->first && !s->closing) pthread_cond_wait(&s->work, &s->mutex);
    struct store_command *list = s->first, **end = &s->first;
    for (*taken = 0; *end && *taken < BATCH_MAX; ++*taken) end = &(*end)->next;
    s->first = *end;
    *end = NULL;
    if (!s->first) s->last = &s->first;
    s->waiting -= *taken;
    if (!*taken) list = NULL;
    pthread_mutex_unlock(&s->mutex);
    return list;
}

static void *store_main(void *context)
{
    struct store *s = context;
    for (;;) {
        size_t taken;
        bool copying = store_backup_going(&s->db);
        struct store_command *list = take(s, !copying, &taken);
        if (!list && !copying) break; /* closing, and nothing is left */
        if (list) {
            int64_t start = clock_mono_ns();
            run_batch(s, list);
            count(s, taken, clock_mono_ns() - start);
            tell_all(s);
            answer_all(list);
            checkpoint(s);
            make_reserve_again(s);
        }
        if (copying) store_backup_step(&s->db);
    }
    store_backup_abort(&s->db);
    return NULL;
}

static int on_commit(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((struct store_db *)context)->wal_pages = pages;
    return SQLITE_OK;
}

enum err store_open(const struct store_settings *settings, struct store **out, struct err_note *note)
{
    struct store *s = must_calloc(1, sizeof *s);
    *out = NULL;
    s->settings = *settings;
    if (!s->settings.queue_max) s->settings.queue_max = QUEUE_MAX_DEFAULT;
    s->last = &s->first;
    s->lock_fd = -1;
    enum err e = store_lock(settings->folder, &s->lock_fd, note);
    if (!e) e = store_connect(&s->db, settings, note);
    if (!e) e = store_migrate(&s->db, note);
    if (e) goto failed;
    sqlite3_wal_hook(s->db.db, on_commit, &s->db);
    s->counters.low_space = settings->reserve_bytes > 0 && !store_reserve_make(settings->folder, settings->reserve_bytes);
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    if (pthread_create(&s->thread, NULL, store_main, s)) {
        e = err_set(note, ERR_NO_MEMORY, "", "cannot start the store's thread");
        goto failed;
    }
    *out = s;
    return OK;
failed:
    if (s->db.db) store_disconnect(&s->db);
    if (s->lock_fd >= 0) close(s->lock_fd);
    free(s);
    return e;
}

int store_exit_code(enum err e)
{
    return e == ERR_BUSY ? 75 : e == ERR_CORRUPT || e == ERR_UPGRADE ? 65 : 74;
}

void store_close(struct store *s)
{
    if (!s) return;
    pthread_mutex_lock(&s->mutex);
    s->closing = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    store_disconnect(&s->db);
    close(s->lock_fd);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->work);
    free(s);
}

static enum err post(struct store *s, struct store_command *c)
{
    pthread_mutex_lock(&s->mutex);
    enum err e = s->closing || s->waiting >= s->settings.queue_max ? ERR_BUSY : OK;
    if (!e) {
        c->next = NULL;
        *s->last = c;
        s->last = &c->next;
        s->waiting++;
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->mutex);
    return e;
}

enum err store_post(struct store *s, struct store_command *c)
{
    c->waiter = NULL;
    return post(s, c);
}

enum err store_call(struct store *s, struct store_command *c)
{
    sem_t ended;
    enum err result = OK;
    assert(!pthread_equal(pthread_self(), s->thread));
    sem_init(&ended, 0, 0);
    c->waiter = &ended;
    c->waiter_result = &result;
    while (post(s, c)) clock_sleep_ms(1);
    while (sem_wait(&ended) && errno == EINTR) {
    }
    sem_destroy(&ended);
    return result;
}

const char *store_folder(const struct store *s)
{
    return s->settings.folder;
}

void store_count(struct store *s, struct store_counters *counters)
{
    pthread_mutex_lock(&s->mutex);
    *counters = s->counters;
    counters->waiting = s->waiting;
    pthread_mutex_unlock(&s->mutex);
}
