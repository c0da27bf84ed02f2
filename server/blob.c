/* blob: the file thread: takes full buffers from uploads, hashes and writes them, puts finished files in their place, removes what no row names. */
#include "server/blob.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/base/log.h"
#include "schema/base/uuid.h"
#include "server/blob_inside.h"
#include "server/must.h"

/* Two buffers an upload: the library's thread fills one while the file thread writes the other. */
enum { BUFFER_BYTES = 256 << 10 };

struct blob_upload {
    struct blob_store *store;
    uint64_t bytes_max;
    void (*on_room)(void *context);
    void *room_context;
    /* guarded by the store's mutex */
    char *front;
    size_t used;
    bool queued, at_work, wants_room, finishing, aborted;
    struct blob_upload *next;
    /* the file thread's own */
    char *back;
    int fd;
    char path[BLOB_PATH_BYTES];
    struct sha256 hash;
    uint64_t bytes;
    enum err error;
    char want[SHA256_HEX];
    blob_done *done;
    void *done_context;
};
struct digest {
    char sha256[SHA256_HEX];
    struct digest *next;
};
struct blob_store {
    char folder[BLOB_PATH_BYTES - 128];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work, rest; /* something to do; an upload's work has ended */
    bool closing;
    struct blob_upload *first, **last;
    struct digest *removals;
    struct digest *unsettled; /* in their place, but without a row so far: nobody may take them for orphans */
};

void blob_path(const struct blob_store *b, const char *sha256, char path[BLOB_PATH_BYTES])
{
    err_print(path, BLOB_PATH_BYTES, "%s/blobs/sha256/%.2s/%s", b->folder, sha256, sha256);
}

const char *blob_folder(const struct blob_store *b)
{
    return b->folder;
}

static enum err errno_error(void)
{
    return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? ERR_NO_SPACE : ERR_IO;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && !fsync(fd);
    if (fd >= 0) close(fd);
    return ok;
}

/* ---- the file thread: one upload ------------------------------------------------------------------------ */
static void write_back(struct blob_upload *u, size_t length)
{
    if (u->fd < 0 && !u->error) {
        char id[UUID_TEXT];
        uuid_new(id);
        err_print(u->path, sizeof u->path, "%s/blobs/tmp/%s", u->store->folder, id);
        u->fd = open(u->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (u->fd < 0) u->error = errno_error();
    }
    if (!u->error && u->bytes + length > u->bytes_max) u->error = ERR_TOO_LARGE;
    for (size_t at = 0; at < length && !u->error;) {
        ssize_t n = write(u->fd, u->back + at, length - at);
        if (n > 0) at += (size_t)n;
        else if (errno != EINTR) u->error = errno_error();
    }
    sha256_add(&u->hash, u->back, length);
    u->bytes += length;
}

/* Synced, renamed, and the names synced, too: only then is it there. */
static enum err put_in_place(struct blob_upload *u, const char *sha256)
{
    char path[BLOB_PATH_BYTES], folder[BLOB_PATH_BYTES], above[BLOB_PATH_BYTES];
    blob_path(u->store, sha256, path);
    err_print(above, sizeof above, "%s/blobs/sha256", u->store->folder);
    err_print(folder, sizeof folder, "%s/%.2s", above, sha256);
    if (fsync(u->fd)) return errno_error();
    bool fresh = mkdir(folder, 0700) == 0;
    if (!fresh && errno != EEXIST) return errno_error();
    if (rename(u->path, path)) return errno_error();
    u->path[0] = '\0';
    return sync_folder(folder) && (!fresh || sync_folder(above)) ? OK : ERR_IO;
}

/* ---- lists of digests, with the mutex held ---- */
static void add_digest(struct digest **list, const char *sha256)
{
    struct digest *d = must_calloc(1, sizeof *d);
    err_print(d->sha256, sizeof d->sha256, "%s", sha256);
    d->next = *list;
    *list = d;
}

static bool has_digest(const struct digest *list, const char *sha256)
{
    while (list && strcmp(list->sha256, sha256)) list = list->next;
    return list != NULL;
}

static void drop_digest(struct digest **list, const char *sha256)
{
    while (*list && strcmp((*list)->sha256, sha256)) list = &(*list)->next;
    struct digest *found = *list;
    if (!found) return;
    *list = found->next;
    free(found);
}

static void free_digests(struct digest *list)
{
    for (struct digest *next; list; list = next) {
        next = list->next;
        free(list);
    }
}

static void free_upload(struct blob_upload *u)
{
    if (u->fd >= 0) close(u->fd);
    if (u->path[0]) unlink(u->path);
    free(u->front);
    free(u->back);
    free(u);
}

static void finish_upload(struct blob_upload *u)
{
    char sha256[SHA256_HEX] = "";
    if (u->fd < 0) write_back(u, 0); /* an empty body is a file, too */
    sha256_end_hex(&u->hash, sha256);
    if (!u->error && u->want[0] && strcmp(u->want, sha256)) u->error = ERR_DIGEST;
    if (!u->error) u->error = put_in_place(u, sha256);
    if (!u->error) {
        pthread_mutex_lock(&u->store->mutex);
        add_digest(&u->store->unsettled, sha256);
        pthread_mutex_unlock(&u->store->mutex);
    } else log_warn("blob.refused", "error=%s bytes=%llu", err_word(u->error), (unsigned long long)u->bytes);
    u->done(u->done_context, u->error, sha256, (int64_t)u->bytes);
    free_upload(u);
}

/* With the mutex held; gives it back for the work. */
static void work_on(struct blob_store *b, struct blob_upload *u)
{
    char *full = u->front;
    size_t length = u->used;
    bool finishing = u->finishing, room = u->wants_room;
    u->front = u->back;
    u->back = full;
    u->used = 0;
    u->wants_room = false;
    u->queued = false;
    u->at_work = true;
    pthread_mutex_unlock(&b->mutex);
    if (length) write_back(u, length);
    if (finishing) finish_upload(u); /* nobody else knows it any more */
    else if (room) u->on_room(u->room_context);
    pthread_mutex_lock(&b->mutex);
    if (finishing) return;
    u->at_work = false;
    if (u->aborted) free_upload(u);
    pthread_cond_broadcast(&b->rest);
}

/* ---- the file thread: removals --------------------------------------------------------------------------- */
/* With the mutex held; gives it back for the work. One that has arrived again meanwhile stays: uploads end on this thread, too. */
static void remove_one(struct blob_store *b)
{
    char path[BLOB_PATH_BYTES];
    struct digest *d = b->removals;
    bool wanted = has_digest(b->unsettled, d->sha256);
    b->removals = d->next;
    blob_path(b, d->sha256, path);
    free(d);
    if (wanted) return;
    pthread_mutex_unlock(&b->mutex);
    if (unlink(path) && errno != ENOENT) log_warn("blob.remove", "path=%s error=\"%s\"", path, strerror(errno));
    pthread_mutex_lock(&b->mutex);
}

static void *file_main(void *context)
{
    struct blob_store *b = context;
    pthread_mutex_lock(&b->mutex);
    for (;;) {
        struct blob_upload *u = b->first;
        if (u) {
            if (!(b->first = u->next)) b->last = &b->first;
            work_on(b, u);
        } else if (b->removals) remove_one(b);
        else if (b->closing) break;
        else pthread_cond_wait(&b->work, &b->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
    return NULL;
}

/* ---- open and close ---------------------------------------------------------------------------------------- */
static void sweep(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d)))
        if (entry->d_name[0] != '.') unlinkat(dirfd(d), entry->d_name, 0);
    if (d) closedir(d);
}

enum err blob_store_open(const char *folder, struct blob_store **out, struct err_note *note)
{
    static const char *const folders[] = {"", "/blobs", "/blobs/tmp", "/blobs/sha256"};
    struct blob_store *b = must_calloc(1, sizeof *b);
    char path[BLOB_PATH_BYTES];
    *out = NULL;
    err_print(b->folder, sizeof b->folder, "%s", folder);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        err_print(path, sizeof path, "%s%s", b->folder, folders[i]);
        if (mkdir(path, 0700) && errno != EEXIST) {
            free(b);
            return err_set(note, ERR_IO, path, "cannot make the folder: %s", strerror(errno));
        }
    }
    err_print(path, sizeof path, "%s/blobs/tmp", b->folder);
    sweep(path);
    b->last = &b->first;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->work, NULL);
    pthread_cond_init(&b->rest, NULL);
    if (pthread_create(&b->thread, NULL, file_main, b)) {
        free(b);
        return err_set(note, ERR_NO_MEMORY, "", "cannot start the file thread");
    }
    *out = b;
    return OK;
}

void blob_store_close(struct blob_store *b)
{
    if (!b) return;
    pthread_mutex_lock(&b->mutex);
    b->closing = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->thread, NULL);
    pthread_mutex_destroy(&b->mutex);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->rest);
    free_digests(b->unsettled);
    free(b);
}

/* ---- upload --------------------------------------------------------------------------------------------------- */
struct blob_upload *blob_begin(struct blob_store *b, uint64_t bytes_max, void (*on_room)(void *context), void *context)
{
    struct blob_upload *u = must_calloc(1, sizeof *u);
    u->store = b;
    u->bytes_max = bytes_max;
    u->on_room = on_room;
    u->room_context = context;
    u->fd = -1;
    u->front = must_calloc(1, BUFFER_BYTES);
    u->back = must_calloc(1, BUFFER_BYTES);
    sha256_start(&u->hash);
    return u;
}

static void enqueue(struct blob_store *b, struct blob_upload *u)
{
    if (u->queued) return;
    u->queued = true;
    u->next = NULL;
    *b->last = u;
    b->last = &u->next;
    pthread_cond_signal(&b->work);
}

size_t blob_piece(struct blob_upload *u, const char *bytes, size_t length)
{
    struct blob_store *b = u->store;
    pthread_mutex_lock(&b->mutex);
    size_t room = BUFFER_BYTES - u->used, taken = length < room ? length : room;
    memcpy(u->front + u->used, bytes, taken);
    u->used += taken;
    u->wants_room = taken < length;
    if (u->used == BUFFER_BYTES || u->wants_room) enqueue(b, u); /* small pieces wait for more, or for the end */
    pthread_mutex_unlock(&b->mutex);
    return taken;
}

void blob_finish(struct blob_upload *u, const char *want_sha256, blob_done *done, void *context)
{
    struct blob_store *b = u->store;
    pthread_mutex_lock(&b->mutex);
    err_print(u->want, sizeof u->want, "%s", want_sha256 ? want_sha256 : "");
    u->done = done;
    u->done_context = context;
    u->wants_room = false;
    u->finishing = true;
    enqueue(b, u);
    pthread_mutex_unlock(&b->mutex);
}

static void unlink_from_queue(struct blob_store *b, struct blob_upload *u)
{
    struct blob_upload **at = &b->first;
    while (*at && *at != u) at = &(*at)->next;
    if (!*at) return;
    *at = u->next;
    for (b->last = &b->first; *b->last; b->last = &(*b->last)->next) {
    }
}

void blob_abort(struct blob_upload *u)
{
    struct blob_store *b = u->store;
    pthread_mutex_lock(&b->mutex);
    assert(!u->finishing);
    unlink_from_queue(b, u);
    u->wants_room = false;
    bool from_callback = u->at_work && pthread_equal(pthread_self(), b->thread);
    u->aborted = from_callback; /* work_on frees it when the callback is over */
    while (u->at_work && !from_callback) pthread_cond_wait(&b->rest, &b->mutex);
    pthread_mutex_unlock(&b->mutex);
    if (!from_callback) free_upload(u);
}

/* ---- removals ------------------------------------------------------------------------------------------------- */
void blob_remove_later(struct blob_store *b, const char *sha256)
{
    pthread_mutex_lock(&b->mutex);
    if (!has_digest(b->removals, sha256)) add_digest(&b->removals, sha256);
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->mutex);
}

void blob_settled(struct blob_store *b, const char *sha256, bool has_row)
{
    pthread_mutex_lock(&b->mutex);
    drop_digest(&b->unsettled, sha256);
    if (has_row) drop_digest(&b->removals, sha256);
    pthread_mutex_unlock(&b->mutex);
}
