/* test_store: the promises of the store: nothing answered is lost or doubled, one connection, one daemon, damage and full disks told. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/embedded.h"
#include "schema/job/job_state.h"
#include "server/store_open.h"
#include "tests/check.h"
#include "tests/server/store_fixture.h"

/* ---- kill -9 ------------------------------------------------------------------------------------------------ */
enum { ROUNDS = 30, SUBMITTERS = 4, LINE_BYTES = 64 };
struct submitter {
    struct shop *shop;
    int round, number, pipe;
};

static void ack(int fd, const char *what, int a, int b, const char *id)
{
    char line[LINE_BYTES + 1] = "";
    snprintf(line, sizeof line, "%s %d %d %s", what, a, b, id);
    memset(line + strlen(line), ' ', LINE_BYTES - strlen(line));
    if (write(fd, line, LINE_BYTES) != LINE_BYTES) _exit(3); /* less than PIPE_BUF: whole or not at all */
}

static void *submit_for_ever(void *context)
{
    struct submitter *w = context;
    char key[32], id[UUID_TEXT];
    for (int i = 0;; i++) {
        snprintf(key, sizeof key, "%d.%d.%d", w->round, w->number, i);
        shop_submit(w->shop, key, id);
        ack(w->pipe, key, 0, 0, id);
    }
    return NULL;
}

/* The child: submits from four threads and sends metrics from a fifth until it is killed. */
static void serve(int round, int pipe)
{
    struct shop s;
    struct submitter w[SUBMITTERS];
    pthread_t thread;
    char worker[UUID_TEXT], key[32], id[UUID_TEXT];
    struct lease l;
    shop_open(&s, NULL);
    snprintf(key, sizeof key, "metrics of %d", round);
    shop_submit(&s, key, id);
    for (int i = 0; i < SUBMITTERS; i++) {
        w[i] = (struct submitter){&s, round, i, pipe};
        pthread_create(&thread, NULL, submit_for_ever, &w[i]);
    }
    shop_worker(&s, worker);
    shop_claim(&s, worker, "any", &l);
    for (int seq = 1;; seq++) {
        if (shop_metric(&s, &l, seq, "loss/total", seq, 1.0 / seq)) _exit(4);
        ack(pipe, "m", seq, 0, l.job);
    }
}

struct ledger { /* what the clients were told */
    struct acked {
        char key[24], id[UUID_TEXT];
        int seq; /* of metrics, or 0 */
    } *rows;
    size_t count, capacity;
};

static void note_line(struct ledger *l, const char *line)
{
    int b;
    if (l->count == l->capacity) l->rows = realloc(l->rows, (l->capacity = 2 * l->capacity + 1000) * sizeof *l->rows);
    struct acked *a = &l->rows[l->count++];
    CHECK_INT(sscanf(line, "%23s %d %d %36s", a->key, &a->seq, &b, a->id), 4);
}

static void one_round(struct ledger *ledger, int round)
{
    int ends[2];
    char line[LINE_BYTES + 1] = "";
    CHECK(!pipe(ends));
    pid_t pid = fork();
    if (!pid) {
        close(ends[0]);
        serve(round, ends[1]);
    }
    close(ends[1]);
    int kill_after = rand() % 120; /* answers seen before the kill: small and large batches, before and after a checkpoint */
    for (int i = 0; read(ends[0], line, LINE_BYTES) == LINE_BYTES; i++) {
        note_line(ledger, line);
        if (i == kill_after) {
            clock_sleep_ms(rand() % 4);
            kill(pid, SIGKILL);
        }
    }
    close(ends[0]);
    int status;
    waitpid(pid, &status, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check_ledger(const struct ledger *ledger)
{
    struct shop s;
    struct answer a;
    char id[UUID_TEXT];
    long submits = 0, points = 0;
    shop_open(&s, NULL); /* quick_check is part of it */
    for (size_t i = 0; i < ledger->count; i++) {
        const struct acked *row = &ledger->rows[i];
        if (row->seq) {
            CHECK_INT(ASK(a, queue_read_metrics(s.q, &(struct queue_read_metrics){.job_id = row->id, .from = row->seq, .to = row->seq}, answer_done, &a)), OK);
            CHECK(json_real_value(json_array_get(json_object_get(json_array_get(json_object_get(a.json, "series"), 0), "values"), 0)) == 1.0 / row->seq ||
                  row->seq == 1);
            CHECK_INT(answer_int(&a, "series.0.steps.0"), row->seq);
            answer_free(&a);
            points++;
        } else {
            shop_submit(&s, row->key, id); /* the key finds the same job, so it is there, and once */
            CHECK_TEXT(id, row->id);
            submits++;
        }
    }
    shop_close(&s);
    printf("%ld acknowledged submits and %ld metric batches over %d kills: 0 lost, 0 doubled\n", submits, points, ROUNDS);
}

void test_store_killed_at_random_loses_and_doubles_nothing_it_answered(void)
{
    struct ledger ledger = {0};
    srand(1);
    check_time_limit(120);
    for (int round = 0; round < ROUNDS; round++) one_round(&ledger, round);
    CHECK(ledger.count > ROUNDS * 20);
    check_ledger(&ledger);
    free(ledger.rows);
}

/* ---- one connection, one daemon --------------------------------------------------------------------------------- */
void test_store_lets_nobody_else_into_the_database(void)
{
    struct shop s;
    char id[UUID_TEXT];
    sqlite3 *other;
    shop_open(&s, NULL);
    shop_submit(&s, NULL, id);
    CHECK_INT(sqlite3_open("shop/tandem.db", &other), SQLITE_OK);
    CHECK_INT(sqlite3_exec(other, "SELECT count(*) FROM job", NULL, NULL, NULL), SQLITE_BUSY);
    CHECK_INT(sqlite3_exec(other, "PRAGMA wal_checkpoint", NULL, NULL, NULL), SQLITE_BUSY); /* the step that loses rows in 3.40.1 */
    CHECK_TEXT(sqlite3_errmsg(other), "database is locked");
    sqlite3_close(other);
    CHECK(access("shop/tandem.db-shm", F_OK) != 0); /* exclusive before WAL: there is no shared memory */
    shop_close(&s);
}

static int (*real_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
static int main_opens;

static int count_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    if (flags & SQLITE_OPEN_MAIN_DB) main_opens++;
    return real_open(vfs, name, file, flags, out);
}

void test_store_opens_the_database_exactly_once(void)
{
    struct store_settings st = {.folder = "shop", .vfs = "counting"};
    struct shop s;
    struct answer a;
    char id[UUID_TEXT], worker[UUID_TEXT];
    sqlite3_vfs counting = *sqlite3_vfs_find(NULL);
    real_open = counting.xOpen;
    counting.xOpen = count_open;
    counting.zName = "counting";
    CHECK_INT(sqlite3_vfs_register(&counting, 0), SQLITE_OK);
    CHECK_INT(store_open(&st, &s.store, NULL), OK);
    CHECK_INT(queue_open(s.store, NULL, NULL, &s.q, NULL), OK);
    for (int i = 0; i < 100; i++) shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    CHECK_INT(ASK(a, queue_backup(s.q, answer_done, &a)), OK);
    answer_free(&a);
    CHECK_INT(main_opens, 1);
    store_close(s.store);
    queue_close(s.q);
}

void test_store_second_daemon_is_refused_with_the_pid_of_the_first(void)
{
    struct shop s;
    struct store *second;
    struct err_note note = {0};
    char pid[24];
    shop_open(&s, NULL);
    CHECK_INT(store_open(&(struct store_settings){.folder = "shop"}, &second, &note), ERR_BUSY);
    CHECK_INT(store_exit_code(ERR_BUSY), 75);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    CHECK_HAS(note.detail, pid);
    shop_close(&s);
    CHECK_INT(store_open(&(struct store_settings){.folder = "shop"}, &second, &note), OK); /* free again */
    store_close(second);
}

/* Four processes want one folder at the same moment. Each that gets it keeps it until all have tried. */
static int race_once(void)
{
    enum { RACERS = 4 };
    int gate[2], tried[2], winners = 0, status;
    char byte = 0;
    CHECK(!pipe(gate) && !pipe(tried));
    for (int i = 0; i < RACERS; i++)
        if (!fork()) {
            struct store *store = NULL;
            close(gate[1]);
            (void)!read(gate[0], &byte, 1); /* the end of the pipe is the start of the race */
            enum err e = store_open(&(struct store_settings){.folder = "shop"}, &store, NULL);
            (void)!write(tried[1], &byte, 1);
            close(tried[1]);
            while (!e && getppid() != 1 && access("all tried", F_OK)) clock_sleep_ms(2);
            store_close(store);
            _exit(e ? store_exit_code(e) : 0);
        }
    close(gate[0]);
    close(gate[1]);
    for (int i = 0; i < RACERS; i++) CHECK_INT(read(tried[0], &byte, 1), 1);
    fclose(fopen("all tried", "w"));
    for (int i = 0; i < RACERS; i++) {
        CHECK(wait(&status) > 0 && WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 75);
        winners += WEXITSTATUS(status) == 0;
    }
    unlink("all tried");
    close(tried[0]);
    close(tried[1]);
    return winners;
}

void test_store_of_four_daemons_that_start_at_once_one_wins(void)
{
    for (int i = 0; i < 20; i++) CHECK_INT(race_once(), 1);
}

/* ---- damage and full disks ----------------------------------------------------------------------------------------- */
static void damage(const char *path, long at, size_t length)
{
    FILE *f = fopen(path, "r+");
    CHECK(f && !fseek(f, at, SEEK_SET));
    for (size_t i = 0; i < length; i++) fputc(0x5a, f);
    fclose(f);
}

void test_store_refuses_a_damaged_database_and_names_the_remedy(void)
{
    static const long places[] = {0, 100, 4096 * 3};
    struct store *store;
    struct err_note note;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct shop s;
        char id[UUID_TEXT];
        CHECK(!system("rm -rf shop"));
        shop_open(&s, NULL);
        for (int k = 0; k < 50; k++) shop_submit(&s, NULL, id);
        shop_close(&s);
        damage("shop/tandem.db", places[i], 200);
        CHECK_INT(store_open(&(struct store_settings){.folder = "shop"}, &store, &note), ERR_CORRUPT);
        CHECK_INT(store_exit_code(ERR_CORRUPT), 65);
        CHECK_HAS(note.pointer, "tandem.db");
    }
    CHECK_HAS(note.detail, "backups/");
}

void test_store_refuses_a_database_of_a_newer_program(void)
{
    struct shop s;
    struct store *store;
    struct err_note note;
    sqlite3 *db;
    shop_open(&s, NULL);
    shop_close(&s);
    CHECK_INT(sqlite3_open("shop/tandem.db", &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "PRAGMA user_version=999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK_INT(store_open(&(struct store_settings){.folder = "shop"}, &store, &note), ERR_UPGRADE);
    CHECK_HAS(note.detail, "newer program");
}

static void *submit_until_full(void *context)
{
    struct shop *s = context;
    struct queue_job job = {.max_attempts = 1};
    char *spec = malloc(20001);
    memset(spec, ' ', 20000);
    memcpy(spec, "{}", 2);
    spec[20000] = '\0';
    job.spec_json = spec;
    for (enum err e = OK; e == OK;) {
        struct answer a;
        e = ASK(a, queue_submit(s->q, &(struct queue_submit){.jobs = &job, .count = 1}, answer_done, &a));
        CHECK(e == OK || e == ERR_NO_SPACE);
        answer_free(&a);
    }
    free(spec);
    return NULL;
}

static long long count_jobs(struct shop *s)
{
    struct answer a;
    CHECK_INT(ASK(a, queue_counts(s->q, answer_done, &a)), OK);
    long long n = answer_int(&a, "jobs.queued");
    answer_free(&a);
    return n;
}

void test_store_full_disk_refuses_writes_answers_reads_and_loses_nothing(void)
{
    struct shop s = {0};
    pthread_t threads[4];
    struct store_settings st = {.folder = "shop", .pages_max = 400};
    struct queue_settings settings = {.lease_ms = 1000};
    CHECK_INT(store_open(&st, &s.store, NULL), OK);
    CHECK_INT(queue_open(s.store, NULL, &settings, &s.q, NULL), OK);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, submit_until_full, &s);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    long long held = count_jobs(&s);
    struct store_counters c;
    store_count(s.store, &c);
    CHECK(held > 20);
    CHECK(c.low_space); /* for the next five seconds */
    store_close(s.store);
    queue_close(s.q);
    CHECK_INT(store_open(&(struct store_settings){.folder = "shop"}, &s.store, NULL), OK); /* room again */
    CHECK_INT(queue_open(s.store, NULL, &settings, &s.q, NULL), OK);
    CHECK_INT(count_jobs(&s), held);
    char id[UUID_TEXT];
    shop_submit(&s, NULL, id);
    store_close(s.store);
    queue_close(s.q);
}

void test_store_full_disk_recovers_without_a_restart(void)
{
    struct shop s = {0};
    char id[UUID_TEXT];
    if (mkdir("small", 0700) || system("mount -t tmpfs -o size=3m tmpfs small 2>/dev/null")) check_skip("no right to mount a small tmpfs");
    struct store_settings st = {.folder = "small", .reserve_bytes = 1 << 20};
    CHECK_INT(store_open(&st, &s.store, NULL), OK);
    CHECK_INT(queue_open(s.store, NULL, NULL, &s.q, NULL), OK);
    CHECK(!access("small/reserve", F_OK));
    char worker[UUID_TEXT];
    struct lease l;
    shop_submit(&s, NULL, id);
    shop_worker(&s, worker);
    shop_claim(&s, worker, "k", &l);
    submit_until_full(&s);
    long long held = count_jobs(&s);
    CHECK(access("small/reserve", F_OK) != 0); /* given back */
    CHECK_INT(shop_metric(&s, &l, 1, "loss/total", 1, 0.5), OK); /* a running job goes on */
    CHECK_INT(shop_finish(&s, &l, "succeeded", NULL), OK);
    CHECK(!system("mount -o remount,size=30m small"));
    shop_submit(&s, NULL, id);
    CHECK_INT(count_jobs(&s), held + 1);
    clock_test_shift_ms(6000);
    shop_submit(&s, NULL, id);
    for (int i = 0; i < 500 && access("small/reserve", F_OK); i++) clock_sleep_ms(10);
    CHECK(!access("small/reserve", F_OK));
    store_close(s.store);
    queue_close(s.q);
    CHECK(!system("umount small"));
}

void test_store_ends_the_process_at_the_first_io_error(void)
{
    pid_t pid = fork();
    if (!pid) {
        struct shop s;
        char id[UUID_TEXT];
        signal(SIGXFSZ, SIG_IGN); /* a write past the limit fails with EFBIG, which SQLite calls an I/O error */
        shop_open(&s, NULL);
        shop_submit(&s, NULL, id);
        struct rlimit limit = {300000, 300000};
        setrlimit(RLIMIT_FSIZE, &limit);
        for (;;) {
            struct answer a;
            struct queue_job job = {.max_attempts = 1, .spec_json = "{}"};
            if (ASK(a, queue_submit(s.q, &(struct queue_submit){.jobs = &job, .count = 1}, answer_done, &a))) _exit(1); /* any answer but OK is wrong */
            answer_free(&a);
        }
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), 74);
    struct shop s;
    shop_open(&s, NULL); /* and a restart finds all whole */
    CHECK(count_jobs(&s) > 0);
    shop_close(&s);
}

/* ---- backup, migration, words ------------------------------------------------------------------------------------------ */
/* Holds the store's thread in its callback: what is posted meanwhile runs in one batch. */
static void hold(void *gate, struct queue_reply *reply)
{
    (void)reply;
    while (sem_wait(gate)) {
    }
}

void test_store_backup_is_whole_while_jobs_come_in(void)
{
    struct shop s;
    struct answer a, more;
    sem_t gate;
    char id[UUID_TEXT], path[1200];
    sqlite3 *copy;
    sqlite3_stmt *st;
    shop_open(&s, NULL);
    for (int i = 0; i < 300; i++) shop_submit(&s, NULL, id);
    answer_start(&a);
    answer_start(&more);
    sem_init(&gate, 0, 0);
    CHECK_INT(queue_counts(s.q, hold, &gate), OK);
    CHECK_INT(queue_backup(s.q, answer_done, &a), OK);
    enum err posted = queue_backup(s.q, answer_done, &more);
    sem_post(&gate);
    CHECK_INT(answer_wait(&more, posted), ERR_BUSY);
    answer_free(&more);
    for (int i = 0; i < 50; i++) shop_submit(&s, NULL, id);
    CHECK_INT(answer_wait(&a, OK), OK);
    snprintf(path, sizeof path, "%s", answer_text(&a, "path"));
    CHECK(answer_int(&a, "bytes") > 100000);
    answer_free(&a);
    CHECK_INT(sqlite3_open(path, &copy), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(copy, "SELECT count(*), (SELECT * FROM pragma_integrity_check(1)) FROM job", -1, &st, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(st), SQLITE_ROW);
    CHECK(sqlite3_column_int(st, 0) >= 300);
    CHECK_TEXT((const char *)sqlite3_column_text(st, 1), "ok");
    sqlite3_finalize(st);
    sqlite3_close(copy);
    shop_close(&s);
}

void test_store_words_of_the_schema_are_those_of_job_state_tbl(void)
{
    static const char *const reasons[] = {"no_worker", "requirements", NULL}; /* found out when asked, never stored */
    char sql[1 << 15] = "", quoted[40];
    for (const struct embedded_file *f = embedded_files; f->path; f++)
        if (!strcmp(f->path, "schema/sql/0001_job.sql")) snprintf(sql, sizeof sql, "%s", (const char *)f->bytes);
    CHECK(*sql);
    int found = 0;
    for (int i = 0; i < JOB_STATE_COUNT; i++) {
        snprintf(quoted, sizeof quoted, "'%s'", job_state_word((enum job_state)i));
        CHECK_HAS(strstr(sql, "CHECK (state ="), quoted);
    }
    for (int i = 1; i < PHASE_COUNT; i++) {
        snprintf(quoted, sizeof quoted, "'%s'", job_phase_word((enum job_phase)i));
        CHECK_HAS(strstr(sql, "CHECK (phase ="), quoted);
    }
    for (int i = 1; i < FAILURE_COUNT; i++) {
        snprintf(quoted, sizeof quoted, "'%s'", job_failure_word((enum job_failure)i));
        CHECK_HAS(strstr(sql, "CHECK (failure_class ="), quoted);
    }
    for (int i = 1; i < REASON_COUNT; i++) {
        const char *word = job_reason_word((enum job_reason)i);
        snprintf(quoted, sizeof quoted, "'%s'", word);
        if (!strcmp(word, reasons[0]) || !strcmp(word, reasons[1])) found++;
        else CHECK_HAS(strstr(sql, "CHECK (reason ="), quoted);
    }
    CHECK_INT(found, 2);
    for (const char *p = strstr(sql, "CHECK (state ="); *p != ')'; p++) { /* and no word more */
        char word[24];
        if (*p == '\'' && sscanf(p, "'%23[a-z_]'", word) == 1) {
            CHECK(job_state_of_word(word) >= 0);
            p = strchr(p + 1, '\'');
        }
    }
    CHECK_HAS(sql, "(state = 'succeeded' OR state = 'failed' OR state = 'cancelled' OR state = 'pruned')");
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        CHECK_INT(job_state_is_end((enum job_state)i), strstr("succeeded failed cancelled pruned", job_state_word((enum job_state)i)) != NULL);
}

void test_store_knows_which_sqlite_versions_have_the_wal_reset_fault(void)
{
    static const struct {
        int version, has;
    } rows[] = {{3006023, 0}, {3007000, 1}, {3040001, 1}, {3044005, 1}, {3044006, 0}, {3045000, 1}, {3050006, 1}, {3050007, 0}, {3051000, 1}, {3051002, 1}, {3051003, 0}, {3052000, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) CHECK_INT(store_has_wal_reset_fault(rows[i].version), rows[i].has);
}

void test_store_refuses_when_its_queue_is_full_and_answers_what_it_took(void)
{
    enum { MANY = 400 };
    struct store_settings st = {.folder = "shop", .queue_max = 8};
    struct shop s;
    static struct answer answers[MANY];
    int taken = 0;
    CHECK_INT(store_open(&st, &s.store, NULL), OK);
    CHECK_INT(queue_open(s.store, NULL, NULL, &s.q, NULL), OK);
    for (int i = 0; i < MANY; i++) {
        answer_start(&answers[taken]);
        enum err e = queue_list(s.q, &(struct queue_list){.limit = 1}, answer_done, &answers[taken]);
        CHECK(e == OK || e == ERR_BUSY);
        taken += e == OK;
    }
    CHECK(taken >= 8);
    for (int i = 0; i < taken; i++) {
        CHECK_INT(answer_wait(&answers[i], OK), OK);
        answer_free(&answers[i]);
    }
    store_close(s.store);
    queue_close(s.q);
}

/* ---- many rows ------------------------------------------------------------------------------------------------------------- */
static const char many_jobs[] =
    "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    " INSERT INTO job(number, id, name, project, tags, strategy, spec_hash, token_id, state, priority, max_attempts, created_at_ms)"
    " SELECT i, printf('0198c0de-0000-7000-8000-%012d', i), 'n', CASE i % 2 WHEN 1 THEN 'p' ELSE 'q' END, '[\"a\"]', 'constant', '', '', 'queued', 0, 1, i FROM n;"
    "INSERT INTO job_text(job, spec) SELECT number, '{\"dataset\":{\"path\":\"x\"}, \"notes\":\"' || hex(zeroblob(50)) || '\"}' FROM job;"
    "INSERT INTO event(at_ms, job, kind, data) SELECT 0, number, 'state', '{}' FROM job; COMMIT";

void test_store_lists_a_page_of_a_hundred_thousand_jobs_quickly(void)
{
    struct shop s;
    struct answer a;
    sqlite3 *db;
    int64_t worst_ns = 0;
    shop_open(&s, NULL);
    shop_close(&s);
    CHECK_INT(sqlite3_open("shop/tandem.db", &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, many_jobs, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    int64_t start = clock_mono_ns();
    shop_open(&s, NULL);
    int64_t open_ns = clock_mono_ns() - start;
    static const struct queue_list lists[] = {
        {.limit = 100}, {.limit = 100, .states = "queued"}, {.limit = 100, .states = "running"}, {.limit = 100, .project = "p"},
        {.limit = 100, .states = "queued,running"}, {.limit = 100, .cursor = 50000}, {.limit = 100, .strategy = "constant", .tag = "a"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        start = clock_mono_ns();
        CHECK_INT(ASK(a, queue_list(s.q, &lists[i], answer_done, &a)), OK);
        int64_t took = clock_mono_ns() - start;
        CHECK_INT(json_array_size(json_object_get(a.json, "jobs")), i == 2 ? 0 : 100);
        if (took > worst_ns) worst_ns = took;
        answer_free(&a);
    }
    printf("slowest page of 100,000 jobs: %.1f ms; start with the check of all of them: %.0f ms\n", (double)worst_ns / 1e6, (double)open_ns / 1e6);
    CHECK(worst_ns < 250000000); /* ten times what an idle machine takes: a walk through all rows takes longer */
    shop_close(&s);
}
