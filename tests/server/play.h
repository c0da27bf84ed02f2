/* play: a job's life by hand: what a user and a worker would say, one call a line. */
#ifndef TESTS_SERVER_PLAY_H
#define TESTS_SERVER_PLAY_H
#include "tests/server/client.h"

#define PLAY_JOB "{\"name\": \"tiny\", \"dataset\": {\"generate\": {\"images\": 8, \"size\": 64}}, \"training\": {\"epochs\": 3, \"patch\": [32, 32]}}"
struct lease {
    char job[64], token[160], base[128]; /* "/v1/attempts/JOB/1" */
    int attempt;
};
/* Ids are copied out; each call's status is checked. */
void play_submit(struct client *c, const char *body, char id[64]);
void play_register(struct client *c, const char *name, char worker_id[64]);
bool play_claim(struct client *c, const char *worker_id, const char *key, int wait_s, struct lease *lease); /* false: 204 */
/* All three: a running job with its lease. */
void play_start(struct client *c, char id[64], char worker_id[64], struct lease *lease);
/* POST base:verb with {"lease_token": ..., more}; `more` begins with a comma or is "". New reference, NULL for 204. */
json_t *play_worker(struct client *c, const struct lease *l, int status, const char *verb, const char *more);
void play_metrics(struct client *c, const struct lease *l, int seq, const char *name, int first_step, int count);
/* PUT an artifact with its digest; gives the status. */
int play_artifact(struct client *c, const struct lease *l, const char *name_and_query, const void *bytes, size_t length);
/* state of the job, static storage */
const char *play_state(struct client *c, const char *job);
#endif
