/* run_job: one job from its file to its results: fences the process in, then prepares, trains, evaluates and writes. */
#include "worker/run/run_inside.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "worker/run/profile_table.h"
#include "worker/run/run_failure.h"
#include "worker/run/sandbox.h"

/* The folder of a file, for the sandbox: a checkpoint may lie anywhere. */
static const char *folder_of(const char *path, char *to, size_t size)
{
    const char *slash = strrchr(path, '/');
    err_print(to, size, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    return to[0] ? to : "/";
}

static enum err fence(const struct run_options *o, int tuning_fd, char *said, size_t size, struct err_note *note)
{
    char job[RUN_PATH_BYTES], resume[RUN_PATH_BYTES], data[RUN_PATH_BYTES];
    struct stat st;
    struct sandbox s = {.write_dirs = {o->out}, .die_with_parent = o->events_fd >= 0};
    int n = 0;
    if (access(o->job, R_OK) < 0)
        return err_set(note, ERR_SPEC, o->job, "cannot read %s: %s", o->job, strerror(errno));
    if (o->data && access(o->data, R_OK) < 0)
        return err_set(note, ERR_DATA, o->data, "cannot read %s: %s", o->data, strerror(errno));
    if (o->resume && access(o->resume, R_OK) < 0)
        return err_set(note, ERR_IO, o->resume, "cannot read %s: %s", o->resume, strerror(errno));
    s.read_dirs[n++] = folder_of(o->job, job, sizeof job);
    if (o->resume)
        s.read_dirs[n++] = folder_of(o->resume, resume, sizeof resume);
    if (o->data)
        s.read_dirs[n++] = stat(o->data, &st) == 0 && S_ISREG(st.st_mode) ? folder_of(o->data, data, sizeof data) : o->data;
    int kept = 0;
    if (o->events_fd >= 0)
        s.keep_fds[kept++] = o->events_fd;
    if (tuning_fd >= 0)
        s.keep_fds[kept] = tuning_fd;
    return sandbox_enter(&s, said, size, note);
}

static enum err steps_of_a_run(struct run *r, struct err_note *note)
{
    json_lines_phase(r->lines, "staging");
    enum err e = run_prepare(r, note);
    if (e)
        return e;
    run_tell_start(r);
    json_lines_phase(r->lines, "training");
    e = trainer_run(r->trainer, note);
    if (e || trainer_result(r->trainer)->stopped)
        return e;
    json_lines_phase(r->lines, "evaluating");
    e = trainer_evaluate(r->trainer, note);
    if (e || trainer_result(r->trainer)->stopped)
        return e;
    return run_write_products(r, note);
}

/* Makes the folder, fences the process in, opens what the run speaks through. What went wrong can be told after it, whatever it was. */
static enum err open_run(struct run *r, struct err_note *note)
{
    const struct run_options *o = r->options;
    struct err_note no_tuning = {0};
    char said[512] = "";
    enum err e = OK;
    if (mkdir(o->out, 0755) < 0 && errno != EEXIST)
        e = err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, o->out, "cannot make %s: %s", o->out, strerror(errno));
    enum err tuning = tuning_file_open(&r->kernels.file, o->tuning, run_isa(), &no_tuning);
    if (!e)
        e = fence(o, r->kernels.file.fd, said, sizeof said, note);
    r->lines = json_lines_open(o->events_fd);
    term_watch(o->events_fd < 0);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is told as a full disk, not as a death */
    progress_line_start(&r->shown, o->events_fd < 0 ? stdout : NULL);
    if (!e && json_lines_listened(r->lines))
        run_say(r, "info", said);
    if (!e && tuning)
        run_say(r, "warn", no_tuning.detail);
    return e;
}

static void free_run(struct run *r)
{
    json_decref(r->images);
    trainer_free(r->trainer);
    network_free(r->validation_net);
    network_free(r->net);
    dataset_free(&r->set);
    tuning_file_close(&r->kernels.file);
    json_lines_close(r->lines);
    free(r);
}

int run_job(const struct run_options *options)
{
    struct run *r = calloc(1, sizeof *r);
    struct err_note note = {0};
    if (!r)
        return EXIT_MEMORY;
    r->options = options;
    enum err e = open_run(r, &note);
    if (!e)
        e = steps_of_a_run(r, &note);
    if (e)
        run_tell_failure(r, e, &note);
    bool stopped = !e && trainer_result(r->trainer)->stopped;
    if (stopped)
        progress_line_say(&r->shown, "stopped after step %lld; go on with --resume %s/checkpoint-last", (long long)trainer_result(r->trainer)->steps, options->out);
    if (!e && options->profile)
        profile_table_print(stdout, r->net);
    free_run(r);
    return stopped ? EXIT_STOPPED : run_exit_code(e);
}
