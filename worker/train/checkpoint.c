/* checkpoint: all that a training run needs to go on as if it had never stopped, in one file that proves itself.
 *
 *   offset  bytes  what                                       All numbers are in the byte order of the writer; a reader of
 *   0       8      "TANDEMCP"                                 the other order sees endian = 0x04030201 and refuses.
 *   8       4      version          12     4   endian = 0x01020304
 *   16      8      length of the whole file, trailer included
 *   24      ...    struct head: counters and sizes, fixed
 *   ...     4 P    weights, then best weights (if other), then each optimizer's moments
 *   ...     ...    carry
 *   end-32  32     sha256 of everything before
 *
 * To add a field: append it to struct head, raise CHECKPOINT_VERSION, and say in read_head what an older file means. */
#include "worker/train/checkpoint.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "worker/train/durable_file.h"

static const char magic[8] = {'T', 'A', 'N', 'D', 'E', 'M', 'C', 'P'};
enum { ENDIAN = 0x01020304 };

struct lead {
    char magic[8];
    uint32_t version, endian;
    uint64_t length;
};
struct head {
    char spec_hash[72]; /* 64 digits, NUL-padded */
    char made_by[CHECKPOINT_MADE_BY_MAX];
    int64_t epoch, step_in_epoch, step, best_epoch;
    double best_score;
    uint64_t parameters, carry_bytes;
    int32_t best, optimizers;
    struct {
        int32_t type, moments;
        int64_t steps;
    } optimizer[CHECKPOINT_OPTIMIZERS_MAX];
};
_Static_assert(sizeof(struct lead) == 24, "no padding in a file");
_Static_assert(sizeof(struct head) == 72 + CHECKPOINT_MADE_BY_MAX + 7 * 8 + 8 + CHECKPOINT_OPTIMIZERS_MAX * 16, "no padding in a file");

/* Arrays of `parameters` floats that such a head announces. */
static uint64_t array_count(const struct head *h)
{
    uint64_t n = 1 + (h->best == CHECKPOINT_BEST_OTHER);
    for (int k = 0; k < h->optimizers; k++)
        n += (uint64_t)h->optimizer[k].moments;
    return n;
}

static void fill_head(const struct checkpoint *c, struct head *h)
{
    memset(h, 0, sizeof *h);
    memcpy(h->spec_hash, c->spec_hash, strnlen(c->spec_hash, SHA256_HEX - 1));
    memcpy(h->made_by, c->made_by, strnlen(c->made_by, CHECKPOINT_MADE_BY_MAX - 1));
    h->epoch = c->epoch;
    h->step_in_epoch = c->step_in_epoch;
    h->step = c->step;
    h->best_epoch = c->best_epoch;
    h->best_score = c->best_score;
    h->parameters = c->parameters;
    h->carry_bytes = c->carry_bytes;
    h->best = (int32_t)c->best;
    h->optimizers = c->optimizers;
    for (int k = 0; k < c->optimizers; k++) {
        h->optimizer[k].type = c->optimizer[k].type;
        h->optimizer[k].moments = c->optimizer[k].moments;
        h->optimizer[k].steps = c->optimizer[k].steps;
    }
}

static void write_arrays(struct durable_file *f, const struct checkpoint *c)
{
    size_t bytes = (size_t)c->parameters * sizeof(float);
    durable_write(f, c->weights, bytes);
    if (c->best == CHECKPOINT_BEST_OTHER)
        durable_write(f, c->best_weights, bytes);
    for (int k = 0; k < c->optimizers; k++)
        for (int m = 0; m < c->optimizer[k].moments; m++)
            durable_write(f, c->optimizer[k].moment[m], bytes);
    durable_write(f, c->carry, (size_t)c->carry_bytes);
}

enum err checkpoint_write(const char *path, const struct checkpoint *c, char sha256[SHA256_HEX], int64_t *bytes, struct err_note *note)
{
    struct head h;
    struct durable_file f;
    unsigned char digest[SHA256_BYTES];
    assert(c->optimizers <= CHECKPOINT_OPTIMIZERS_MAX);
    fill_head(c, &h);
    struct lead lead = {.version = CHECKPOINT_VERSION, .endian = ENDIAN};
    memcpy(lead.magic, magic, sizeof magic);
    lead.length = sizeof lead + sizeof h + array_count(&h) * c->parameters * sizeof(float) + c->carry_bytes + SHA256_BYTES;
    durable_open(&f, path);
    durable_write(&f, &lead, sizeof lead);
    durable_write(&f, &h, sizeof h);
    write_arrays(&f, c);
    struct sha256 so_far = f.sum; /* the trailer proves what is before it; f.sum goes on to the digest of the whole file */
    sha256_end(&so_far, digest);
    durable_write(&f, digest, sizeof digest);
    if (bytes)
        *bytes = f.bytes;
    return durable_commit(&f, sha256, note);
}

/* ---- reading ----------------------------------------------------------------------------------------- */
struct whole {
    unsigned char *bytes;
    size_t length, at;
};

static enum err read_whole(const char *path, struct whole *w, struct err_note *note)
{
    FILE *file = fopen(path, "rbe");
    long length = -1;
    if (file && fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length < 0 || fseek(file, 0, SEEK_SET) != 0) {
        enum err e = err_set(note, ERR_IO, path, "cannot read %s: %s", path, strerror(errno));
        if (file)
            fclose(file);
        return e;
    }
    w->length = (size_t)length;
    w->bytes = malloc(w->length + 1);
    size_t got = w->bytes ? fread(w->bytes, 1, w->length, file) : 0;
    fclose(file);
    if (!w->bytes)
        return err_set(note, ERR_NO_MEMORY, path, "no memory for %zu bytes of %s", w->length, path);
    return got == w->length ? OK : err_set(note, ERR_IO, path, "cannot read all of %s", path);
}

static enum err read_lead(const char *path, struct whole *w, struct err_note *note)
{
    struct lead lead;
    unsigned char digest[SHA256_BYTES];
    if (w->length < sizeof lead || memcmp(w->bytes, magic, sizeof magic) != 0)
        return err_set(note, ERR_CORRUPT, path, "%s is not a checkpoint of this program", path);
    memcpy(&lead, w->bytes, sizeof lead);
    if (lead.endian != ENDIAN)
        return err_set(note, ERR_CORRUPT, path, "%s was written by a machine of the other byte order", path);
    if (lead.version != CHECKPOINT_VERSION)
        return err_set(note, ERR_CORRUPT, path, "%s has version %u, this program reads %d", path, lead.version, CHECKPOINT_VERSION);
    if (lead.length != w->length)
        return err_set(note, ERR_CORRUPT, path, "%s is %s: it says %llu bytes and has %zu", path, w->length < lead.length ? "cut short" : "too long",
                       (unsigned long long)lead.length, w->length);
    if (w->length < sizeof lead + sizeof(struct head) + SHA256_BYTES)
        return err_set(note, ERR_CORRUPT, path, "%s is cut short", path);
    struct sha256 sum;
    sha256_start(&sum);
    sha256_add(&sum, w->bytes, w->length - SHA256_BYTES);
    sha256_end(&sum, digest);
    if (memcmp(digest, w->bytes + w->length - SHA256_BYTES, SHA256_BYTES) != 0)
        return err_set(note, ERR_CORRUPT, path, "%s is damaged: its sha256 does not match", path);
    w->at = sizeof lead;
    w->length -= SHA256_BYTES;
    return OK;
}

/* A head that nobody but a program of ours can have written (the sum matched) may still not fit this run, or lie. */
static enum err check_head(const char *path, const struct head *h, const struct whole *w, const char *spec_hash, uint64_t parameters, struct err_note *note)
{
    int sane = h->spec_hash[64] == 0 && h->made_by[CHECKPOINT_MADE_BY_MAX - 1] == 0 && h->best >= CHECKPOINT_BEST_NONE && h->best <= CHECKPOINT_BEST_OTHER
        && h->optimizers >= 0 && h->optimizers <= CHECKPOINT_OPTIMIZERS_MAX && h->parameters <= w->length && h->carry_bytes <= w->length
        && h->epoch >= 0 && h->step >= 0 && h->step_in_epoch >= 0;
    for (int k = 0; sane && k < h->optimizers; k++)
        sane = h->optimizer[k].moments >= 0 && h->optimizer[k].moments <= CHECKPOINT_MOMENTS_MAX && h->optimizer[k].steps >= 0;
    if (!sane || array_count(h) * h->parameters * sizeof(float) + h->carry_bytes != w->length - w->at)
        return err_set(note, ERR_CORRUPT, path, "%s is damaged: its sizes do not add up", path);
    if (spec_hash && strcmp(spec_hash, h->spec_hash) != 0)
        return err_set(note, ERR_CORRUPT, path, "%s belongs to another job: its spec has the hash %.12s..., this one %.12s...", path, h->spec_hash, spec_hash);
    if (parameters && parameters != h->parameters)
        return err_set(note, ERR_CORRUPT, path, "%s holds %llu parameters, this network has %llu", path, (unsigned long long)h->parameters, (unsigned long long)parameters);
    return OK;
}

static void take_head(const struct head *h, struct checkpoint *c)
{
    memcpy(c->spec_hash, h->spec_hash, SHA256_HEX);
    memcpy(c->made_by, h->made_by, sizeof c->made_by);
    c->epoch = h->epoch;
    c->step_in_epoch = h->step_in_epoch;
    c->step = h->step;
    c->best_epoch = h->best_epoch;
    c->best_score = h->best_score;
    c->best = (enum checkpoint_best)h->best;
    c->parameters = h->parameters;
    c->carry_bytes = h->carry_bytes;
    c->optimizers = h->optimizers;
    for (int k = 0; k < h->optimizers; k++)
        c->optimizer[k] = (struct checkpoint_optimizer){.type = h->optimizer[k].type, .moments = h->optimizer[k].moments, .steps = h->optimizer[k].steps};
}

/* The next `bytes` of the file in memory of their own; NULL when there is none. */
static void *take_bytes(struct whole *w, size_t bytes)
{
    void *copy = malloc(bytes + 1);
    if (copy)
        memcpy(copy, w->bytes + w->at, bytes);
    w->at += bytes;
    return copy;
}

static int take_arrays(struct whole *w, struct checkpoint *c)
{
    size_t bytes = (size_t)c->parameters * sizeof(float);
    int all = (c->weights = take_bytes(w, bytes)) != NULL;
    if (c->best == CHECKPOINT_BEST_OTHER)
        all &= (c->best_weights = take_bytes(w, bytes)) != NULL;
    for (int k = 0; k < c->optimizers; k++)
        for (int m = 0; m < c->optimizer[k].moments; m++)
            all &= (c->optimizer[k].moment[m] = take_bytes(w, bytes)) != NULL;
    return all & ((c->carry = take_bytes(w, (size_t)c->carry_bytes)) != NULL);
}

enum err checkpoint_read(const char *path, const char *spec_hash, uint64_t parameters, struct checkpoint *c, struct err_note *note)
{
    struct whole w = {0};
    struct head h;
    memset(c, 0, sizeof *c);
    enum err e = read_whole(path, &w, note);
    if (!e)
        e = read_lead(path, &w, note);
    if (!e) {
        memcpy(&h, w.bytes + w.at, sizeof h);
        w.at += sizeof h;
        e = check_head(path, &h, &w, spec_hash, parameters, note);
    }
    if (!e) {
        take_head(&h, c);
        if (!take_arrays(&w, c))
            e = err_set(note, ERR_NO_MEMORY, path, "no memory for the arrays of %s", path);
    }
    free(w.bytes);
    if (e)
        checkpoint_free(c);
    return e;
}

void checkpoint_free(struct checkpoint *c)
{
    free(c->weights);
    free(c->best_weights);
    for (int k = 0; k < CHECKPOINT_OPTIMIZERS_MAX; k++)
        for (int m = 0; m < CHECKPOINT_MOMENTS_MAX; m++)
            free(c->optimizer[k].moment[m]);
    free(c->carry);
    memset(c, 0, sizeof *c);
}
