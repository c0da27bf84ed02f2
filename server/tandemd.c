/* tandemd: the daemon: settings, store, queue, front door; waits for SIGTERM; gives all back in reverse. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/log.h"
#include "schema/base/settings.h"
#include "server/api_schema.h"
#include "server/app.h"
#include "server/reaper.h"
#include "server/route.h"

struct values {
    const char *data, *listen, *worker_listen, *port_file, *token_file;
    int64_t port;
    struct settings_list allow_hosts, allow_origins;
    int64_t lease_ms, stop_grace_ms, backoff_ms, poison_losses, job_memory_max, log_bytes_max, metric_points_max, queue_max;
    int64_t connections_max, streams_max, threads, reserve_bytes;
    bool allow_network_fs;
    int log_level;
};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
#define AT(member) .offset = offsetof(struct values, member)
static const struct setting rows[] = {
    {.name = "data", .env = "TANDEM_SERVER_DATA", .flag = "--data", .type = SETTING_TEXT, .standard = "tandem-data", .unit = "DIR", AT(data),
     .help = "where jobs, results and files are kept"},
    {.name = "listen", .env = "TANDEM_LISTEN", .flag = "--listen", .type = SETTING_TEXT, .standard = "127.0.0.1:8080", .unit = "ADDRESS[:PORT]",
     AT(listen), .help = "anything but loopback needs --token-file"},
    {.name = "port", .env = "TANDEM_PORT", .flag = "--port", .type = SETTING_INT, .standard = "-1", .min = -1, .max = 65535, AT(port),
     .help = "instead of the one in --listen; 0 = any free one"},
    {.name = "port_file", .flag = "--port-file", .type = SETTING_TEXT, .unit = "FILE", AT(port_file),
     .help = "the port is written here once requests are answered"},
    {.name = "worker_listen", .env = "TANDEM_WORKER_LISTEN", .flag = "--worker-listen", .type = SETTING_TEXT, .unit = "ADDRESS:PORT",
     AT(worker_listen), .help = "a second door, so that browsers cannot crowd out workers"},
    {.name = "token_file", .env = "TANDEM_TOKENS", .flag = "--token-file", .type = SETTING_TEXT, .unit = "FILE", AT(token_file),
     .help = "lines: id, submit|worker|admin, sha256 of the secret"},
    {.name = "allow_host", .env = "TANDEM_ALLOW_HOST", .flag = "--allow-host", .type = SETTING_LIST, .unit = "NAME", AT(allow_hosts),
     .help = "a further Host that this server answers to"},
    {.name = "allow_origin", .env = "TANDEM_ALLOW_ORIGIN", .flag = "--allow-origin", .type = SETTING_LIST, .unit = "ORIGIN", AT(allow_origins),
     .help = "a web page's origin that may call"},
    {.name = "lease_ms", .env = "TANDEM_LEASE_MS", .flag = "--lease-ms", .type = SETTING_INT, .standard = "30000", .min = 200, .max = 3600000,
     .unit = "ms", AT(lease_ms), .help = "a worker that is silent this long has lost its job"},
    {.name = "stop_grace_ms", .flag = "--stop-grace-ms", .type = SETTING_INT, .standard = "30000", .min = 0, .max = 3600000, .unit = "ms",
     AT(stop_grace_ms), .help = "from a cancel to the server closing the attempt itself"},
    {.name = "backoff_ms", .flag = "--backoff-ms", .type = SETTING_INT, .standard = "10000", .min = 1, .max = 3600000, .unit = "ms",
     AT(backoff_ms), .help = "before the first retry; doubled each time"},
    {.name = "poison_losses", .flag = "--poison-losses", .type = SETTING_INT, .standard = "5", .min = 1, .max = 1000, AT(poison_losses),
     .help = "a job that lost this many workers in a row has failed"},
    {.name = "job_memory_max", .env = "TANDEM_JOB_MEMORY_MAX", .flag = "--job-memory-max", .type = SETTING_INT, .standard = "0", .unit = "bytes",
     .min = 0, .max = 9e15, AT(job_memory_max), .help = "a job predicted to need more is refused; 0 = no limit"},
    {.name = "log_bytes_max", .flag = "--log-bytes-max", .type = SETTING_INT, .standard = "16M", .unit = "bytes", .min = 1, .max = 9e15,
     AT(log_bytes_max), .help = "log kept per job"},
    {.name = "metric_points_max", .flag = "--metric-points-max", .type = SETTING_INT, .standard = "2000000", .min = 1, .max = 9e15,
     AT(metric_points_max), .help = "metric points kept per job"},
    {.name = "queue_max", .flag = "--queue-max", .type = SETTING_INT, .standard = "4096", .min = 1, .max = 1000000, AT(queue_max),
     .help = "commands that may wait for the store; beyond: 503"},
    {.name = "connections_max", .flag = "--connections-max", .type = SETTING_INT, .standard = "4096", .min = 8, .max = 1000000,
     AT(connections_max), .help = "open at the same time, each door"},
    {.name = "streams_max", .flag = "--streams-max", .type = SETTING_INT, .standard = "1000", .min = 1, .max = 1000000, AT(streams_max),
     .help = "event streams at the same time"},
    {.name = "threads", .flag = "--threads", .type = SETTING_INT, .standard = "2", .min = 1, .max = 64, AT(threads),
     .help = "that answer HTTP, each door"},
    {.name = "reserve_bytes", .flag = "--reserve-bytes", .type = SETTING_INT, .standard = "64M", .unit = "bytes", .min = 0, .max = 9e15,
     AT(reserve_bytes), .help = "disk kept for running jobs when it is full"},
    {.name = "allow_network_fs", .flag = "--allow-network-fs", .type = SETTING_BOOL, .standard = "0", AT(allow_network_fs),
     .help = "keep --data on NFS and the like, with a slower journal"},
    {.name = "log_level", .env = "TANDEM_LOG", .flag = "--log-level", .type = SETTING_WORD, .standard = "info", .words = level_words, AT(log_level),
     .help = "the least important line to print"},
    {0},
};
static const struct settings_page page = {
    .program = "tandemd",
    .usage = "tandemd [FLAG...]",
    .about = "Takes segmentation training jobs over HTTP, queues them, hands them to workers and keeps what they find.",
    .rows = rows,
};

/* What is up, in the order in which it came up. */
struct daemon {
    struct values v;
    struct app app;
    struct auth *auth;
    struct reaper *reaper;
    char address[128], worker_address[128];
    int port, worker_port;
};

/* "0.0.0.0:8080", "[::1]:8080", "::1", "localhost" -> address without brackets, port (or `port` as it was). */
static bool split_listen(const char *text, char *address, size_t size, int *port)
{
    const char *colon = strrchr(text, ':');
    const char *end = text + strlen(text);
    bool bracket = *text == '[';
    if (colon && !bracket && strchr(text, ':') != colon) colon = NULL; /* a bare IPv6 address */
    if (colon && bracket && colon[-1] != ']') colon = NULL;
    if (colon) {
        char *rest;
        long n = strtol(colon + 1, &rest, 10);
        if (rest == colon + 1 || *rest || n < 0 || n > 65535) return false;
        *port = (int)n;
        end = colon;
    }
    if (bracket && end - text >= 2 && end[-1] == ']') {
        text++;
        end--;
    }
    err_print(address, size, "%.*s", (int)(end - text), text);
    if (!strcmp(address, "localhost")) err_print(address, size, "127.0.0.1");
    return *address;
}

/* 0, or the exit code after saying why. */
static int fail(int code, const char *what, const struct err_note *note)
{
    log_error("daemon.refused", "%s%s%s%s%s", what, *note->pointer ? ": " : "", note->pointer, *note->detail ? ": " : "", note->detail);
    return code;
}

static int read_addresses(struct daemon *d)
{
    const struct err_note none = {0};
    d->port = 8080;
    d->worker_port = 8081;
    if (!split_listen(d->v.listen, d->address, sizeof d->address, &d->port)) return fail(EX_USAGE, "--listen is not ADDRESS[:PORT]", &none);
    if (d->v.worker_listen && !split_listen(d->v.worker_listen, d->worker_address, sizeof d->worker_address, &d->worker_port))
        return fail(EX_USAGE, "--worker-listen is not ADDRESS:PORT", &none);
    if (d->v.port >= 0) d->port = (int)d->v.port;
    return 0;
}

static int load_tokens(struct daemon *d)
{
    struct err_note note = {0};
    bool open = auth_is_loopback(d->address) && (!d->v.worker_listen || auth_is_loopback(d->worker_address));
    if (d->v.token_file && auth_load(d->v.token_file, &d->auth, &note)) return fail(EX_CONFIG, "--token-file", &note);
    if (!d->v.token_file && !open)
        return fail(EX_CONFIG, "an address that others can reach needs --token-file: whoever reaches it could submit jobs and read results", &note);
    return 0;
}

static int open_store(struct daemon *d)
{
    struct err_note note = {0};
    struct app *app = &d->app;
    app->hub = stream_hub_new();
    app->desk = desk_start();
    const struct store_settings store = {.folder = d->v.data, .queue_max = (size_t)d->v.queue_max, .allow_network_fs = d->v.allow_network_fs,
                                         .reserve_bytes = d->v.reserve_bytes, .on_event = app_on_event, .on_claimable = app_on_claimable,
                                         .on_command = app_on_command, .context = app};
    enum err e = store_open(&store, &app->store, &note);
    if (e) return fail(store_exit_code(e), d->v.data, &note);
    if (blob_store_open(d->v.data, &app->blobs, &note)) return fail(EX_IOERR, d->v.data, &note);
    const struct queue_settings queue = {.lease_ms = d->v.lease_ms, .stop_grace_ms = d->v.stop_grace_ms, .backoff_ms = d->v.backoff_ms,
                                         .poison_losses = (int)d->v.poison_losses, .log_bytes_max = d->v.log_bytes_max,
                                         .metric_points_max = d->v.metric_points_max};
    if (queue_open(app->store, app->blobs, &queue, &app->queue, &note)) return fail(EX_IOERR, d->v.data, &note);
    d->reaper = reaper_start(app->queue, 0);
    return 0;
}

static void end_list(const struct settings_list *list, const char *items[SETTINGS_LIST_MAX + 1])
{
    for (int i = 0; i < list->count; i++) items[i] = list->item[i];
    items[list->count] = NULL;
}

static int open_door(struct daemon *d)
{
    struct err_note note = {0};
    const char *hosts[SETTINGS_LIST_MAX + 1], *origins[SETTINGS_LIST_MAX + 1];
    end_list(&d->v.allow_hosts, hosts);
    end_list(&d->v.allow_origins, origins);
    const struct http_config config = {.address = d->address, .port = d->port, .worker_address = d->v.worker_listen ? d->worker_address : NULL,
                                       .worker_port = d->worker_port, .auth = d->auth, .allow_hosts = hosts, .allow_origins = origins,
                                       .app = &d->app, .threads = (unsigned)d->v.threads,
                                       .connections_max = (unsigned)d->v.connections_max, .streams_max = (unsigned)d->v.streams_max};
    enum err e = http_start(&config, route_table(), &d->app.http, &note);
    if (!e) return 0;
    return fail(e == ERR_FORBIDDEN ? EX_CONFIG : EX_IOERR, d->v.listen, &note);
}

/* Whole or not there: a script that waits for the file never reads half a number. */
static int write_port_file(const struct daemon *d, int port)
{
    struct err_note note = {0};
    char part[4096];
    if (!d->v.port_file) return 0;
    err_print(part, sizeof part, "%s.part", d->v.port_file);
    FILE *f = fopen(part, "w");
    bool good = f && fprintf(f, "%d\n", port) > 0;
    good = f && !fclose(f) && good && !rename(part, d->v.port_file);
    if (good) return 0;
    err_set(&note, ERR_IO, d->v.port_file, "%s", strerror(errno));
    return fail(EX_CANTCREAT, "--port-file", &note);
}

static int announce(struct daemon *d)
{
    bool v6 = strchr(d->address, ':');
    int port = http_port(d->app.http);
    printf("tandemd %s listening on http://%s%s%s:%d data %s%s\n", TANDEM_VERSION, v6 ? "[" : "", d->address, v6 ? "]" : "", port, d->v.data,
           d->auth ? "" : " (no tokens: whoever is on this machine may do anything)");
    if (d->v.worker_listen) printf("tandemd workers on http://%s:%d\n", d->worker_address, http_worker_port(d->app.http));
    fflush(stdout);
    return write_port_file(d, port);
}

static int start(struct daemon *d)
{
    int code = read_addresses(d);
    if (!code) code = load_tokens(d);
    if (!code) code = open_store(d);
    if (!code) code = open_door(d);
    return code ? code : announce(d);
}

/* Reverse order; every part may be absent. */
static void stop(struct daemon *d)
{
    if (d->app.http) http_stop(d->app.http);
    reaper_stop(d->reaper);
    desk_stop(d->app.desk); /* a report in the making asks the queue for its next page */
    if (d->app.queue) queue_close(d->app.queue);
    store_close(d->app.store); /* its last answers may still knock at the desk */
    desk_free(d->app.desk);
    if (d->app.blobs) blob_store_close(d->app.blobs);
    if (d->app.hub) stream_hub_free(d->app.hub);
    auth_free(d->auth);
}

/* Bodies and replies come and go at every request: without this malloc gives their pages back and fetches them anew each time. */
static void keep_freed_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

/* Each connection and each stored file is a descriptor. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) log_warn("daemon.descriptors", "error=%s", strerror(errno));
}

int main(int argc, char **argv)
{
    static struct daemon d; /* zeroed; large */
    sigset_t ends;
    int signal_number = 0;
    log_set_program("tandemd");
    settings_read_or_exit(&page, argc, argv, &d.v, NULL);
    log_set_level((enum log_level)d.v.log_level);
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before there are threads: all inherit it */
    raise_descriptor_limit();
    keep_freed_memory();
    api_schema_init();
    d.app.job_memory_max = d.v.job_memory_max;
    d.app.started_mono_ms = clock_mono_ms();
    int code = start(&d);
    if (!code) {
        sigwait(&ends, &signal_number);
        log_info("daemon.stops", "signal=%s", signal_number == SIGTERM ? "TERM" : "INT");
    }
    stop(&d);
    return code;
}
