/* attempt_inside: what the three files of an attempt share: its state, and the few calls between them. Nobody else includes it. */
#ifndef WORKER_ATTEMPT_INSIDE_H
#define WORKER_ATTEMPT_INSIDE_H
#include "worker/attempt.h"
#include "worker/child.h"
#include "worker/outbox.h"
#include "worker/verdict.h"

/* Five folders and files of one attempt: FOLDER/{job.json, child.log, resume.ckpt, out/, box/}. */
struct attempt {
    const struct attempt_settings *s;
    const json_t *claim;
    struct lease_key key;
    char folder[2048], job_path[2100], log_path[2100], resume_path[2100], out[2100], box[2100];
    char data_path[DATASET_PATH_BYTES]; /* "" for a generated set */
    bool resumes;
    struct lease *lease;
    struct outbox *outbox;
    struct dataset_hold hold;
    struct child child;
    struct lease_progress progress;
    double timeout_s;
    int64_t heard_ms, kill_at_ms;
    enum stop_reason stopped;
    struct child_end end;
    char message[512]; /* behind end.message */
    json_t *start, *result, *images;
};

/* attempt.c */
void attempt_say(struct attempt *a, const char *level, const char *format, ...) PRINTF_LIKE(3, 4);
void attempt_stop(struct attempt *a, enum stop_reason reason, const char *message); /* the weightier reason stays */
/* attempt_stage.c: each step of what must be there before the child starts. */
enum err attempt_read_claim(struct attempt *a, struct err_note *note) MUST_USE;
enum err attempt_make_folder(struct attempt *a, struct err_note *note) MUST_USE;
enum err attempt_stage(struct attempt *a, struct err_note *note) MUST_USE; /* job.json, data, checkpoint */
enum job_failure attempt_class_of(enum err e);
/* attempt_hear.c: takes one event of the child; not 0: the outbox is full. */
int attempt_hear(void *user, json_t *event);
const char *attempt_text(const json_t *object, const char *key); /* "" when it is no text */
#endif
