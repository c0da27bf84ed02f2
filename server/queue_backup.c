/* queue_backup: a copy of the live database under backups/, answered when it is in its place. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "schema/base/clock.h"
#include "server/json_add.h"
#include "server/must.h"
#include "server/queue_rules.h"
#include "server/store_backup.h"

/* The call only starts the copy; this answers when the copy has ended, many batches later. */
struct copying {
    queue_done *done;
    void *context;
    char path[1024];
};

static void copied(void *context, enum err e, const struct err_note *note, int64_t bytes)
{
    struct copying *k = context;
    struct queue_reply r = {.error = e, .note = *note, .bytes = bytes};
    struct buf b;
    buf_init(&b, 4096);
    if (!r.error) r.error = buf_text(&b, "{\"path\":");
    if (!r.error) r.error = json_add_text(&b, k->path);
    if (!r.error) r.error = buf_printf(&b, ",\"bytes\":%lld}", (long long)bytes);
    r.json_bytes = b.length;
    r.json = buf_take(&b);
    if (k->done) k->done(k->context, &r);
    free(r.json);
    free(k);
}

struct backup {
    struct store_command command;
    struct copying *copying;
    struct err_note note;
};

static enum err begin(struct store_db *db, struct store_command *command)
{
    struct backup *b = (struct backup *)command;
    return store_backup_start(db, b->copying->path, copied, b->copying, &b->note);
}

static void begun(struct store_command *command, enum err e)
{
    struct backup *b = (struct backup *)command;
    if (e) copied(b->copying, e, &b->note, 0);
    free(b);
}

enum err queue_backup(struct queue *q, queue_done *done, void *context)
{
    struct backup *b = must_calloc(1, sizeof *b);
    struct copying *k = b->copying = must_calloc(1, sizeof *k);
    char folder[900], when[32], suffix[9];
    time_t now = (time_t)(clock_wall_ms() / 1000);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &tm);
    random_hex(suffix, 4);
    err_print(folder, sizeof folder, "%s/backups", store_folder(q->store));
    err_print(k->path, sizeof k->path, "%s/tandem-%s-%s.db", folder, when, suffix);
    k->done = done;
    k->context = context;
    b->command = (struct store_command){.run = begin, .done = begun, .priority = STORE_READ};
    enum err e = mkdir(folder, 0700) && errno != EEXIST ? ERR_IO : store_post(q->store, &b->command);
    if (!e) return OK;
    free(k);
    free(b);
    return e;
}
