/* store_images: the statements of image_score. */
#include "server/store_images.h"

#include "server/store_db.h"

enum err store_images_set(struct store_db *db, int64_t job, const char *scores_json)
{
    static const char sql[] = "INSERT INTO image_score(job, scores) VALUES(?1, ?2) ON CONFLICT(job) DO UPDATE SET scores = ?2";
    return scores_json ? store_run(db, sql, NULL, "it", job, scores_json) : OK;
}

enum err store_images_add(struct store_db *db, int64_t job, struct buf *to)
{
    static const char sql[] = "SELECT scores FROM image_score WHERE job = ?";
    sqlite3_stmt *st;
    enum err e = store_first(db, sql, &st, "i", job);
    if (e) return e == ERR_NOT_FOUND ? buf_text(to, "null") : e;
    e = buf_text(to, store_text(st, 0));
    enum err end = store_end(st);
    return e ? e : end;
}
