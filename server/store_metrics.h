/* store_metrics: SQL of series and their points. */
#ifndef SERVER_STORE_METRICS_H
#define SERVER_STORE_METRICS_H
#include "schema/base/buf.h"
#include "schema/job/metric.h"
#include "server/store_jobs.h"

enum { METRIC_DIGEST_BYTES = 32 };
/* OK; *existed: this batch is stored already; ERR_NONDETERMINISTIC: this seq with another digest. */
enum err store_metric_batch(struct store_db *db, int64_t job, int64_t attempt, int64_t seq, const unsigned char digest[METRIC_DIGEST_BYTES], bool *existed) MUST_USE;

/* One series of a batch. A series keeps the kind and x it began with: ERR_NONDETERMINISTIC when the batch says otherwise. */
struct metric_replay { /* the first result that differs from what was stored */
    bool differs;
    int64_t step, attempt_before;
    double before, now;
};
enum err store_metric_append(struct store_db *db, int64_t job, int64_t attempt, const struct metric_series *s, int64_t *points_added, struct metric_replay *replay) MUST_USE;

/* "name": value, of every series that has one. */
enum err store_metric_latest(struct store_db *db, int64_t job, struct buf *to) MUST_USE;
struct metric_filter {
    const char *names_json; /* ["loss/total", "val/"]: a name, or a prefix that ends in '/'; NULL = all */
    int64_t from, to;
    int64_t points_max;     /* more: ERR_TOO_LARGE */
};
enum err store_metric_read_json(struct store_db *db, int64_t job, const struct metric_filter *f, struct buf *to) MUST_USE; /* the objects of "series" */
enum err store_metric_read_csv(struct store_db *db, int64_t job, const struct metric_filter *f, struct buf *to) MUST_USE;
/* A metrics event's data as it was written (attempt, seq, series with from and to) with the values of today. */
enum err store_metric_fill(struct store_db *db, int64_t job, const char *data, struct buf *to) MUST_USE;
#endif
