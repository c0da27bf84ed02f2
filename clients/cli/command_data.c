/* command_data: artifact and dataset: files from and to the server. */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clients/cli/command.h"
#include "schema/base/json_text.h"
#include "schema/job/dataset_json.h"

extern char **environ;
enum { RETRY_MS = 60000, PATH_MAX_BYTES = 4096 };

static int usage(const char *text)
{
    fprintf(stderr, "tandem: usage: tandem %s\n", text);
    return EXIT_USAGE;
}

/* ---- artifact ------------------------------------------------------------------------------------------- */
static void fill_artifact_row(struct table *t, const json_t *artifact)
{
    char bytes[32];
    render_bytes(json_number_at(artifact, "bytes"), bytes, sizeof bytes);
    table_cell(t, 0, "%s", json_text_at(artifact, "name"));
    table_cell(t, 1, "%s", json_text_at(artifact, "kind"));
    table_cell(t, 2, "%s", bytes);
    if (json_is_integer(json_object_get(artifact, "epoch"))) table_cell(t, 3, "%.0f", json_number_at(artifact, "epoch"));
    table_cell(t, 4, "%.16s", json_text_at(artifact, "sha256"));
}

/* A file name from a server's word: no path, nothing hidden. */
static bool plain_name(const char *name)
{
    return *name && *name != '.' && !strpbrk(name, "/\\") && strlen(name) < 200;
}

/* What was fetched is for others to read, too, as far as the umask says. */
static void open_up(const char *path)
{
    mode_t mask = umask(0);
    umask(mask);
    if (chmod(path, 0666 & ~mask)) fprintf(stderr, "tandem: %s: %s\n", path, strerror(errno));
}

static int download(struct cli *cli, const char *id, const char *name, const char *sha256)
{
    char path[PATH_MAX_BYTES];
    const char *to = cli->flags.to;
    struct stat info;
    bool folder = to && !stat(to, &info) && S_ISDIR(info.st_mode);
    if (!plain_name(name)) {
        fprintf(stderr, "tandem: %s is no name for a file\n", name);
        return EXIT_ERROR;
    }
    if (folder || !to)
        snprintf(path, sizeof path, "%s%s%s", to ? to : "", to ? "/" : "", name);
    else
        snprintf(path, sizeof path, "%s", to);
    struct api_call call = {.op = API_JOB_ARTIFACT, .params = {{"id", id}, {"name", name}}, .accept = "*/*", .download_path = path, .want_sha256 = sha256,
                            .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    char bytes[32];
    render_bytes((double)reply.bytes, bytes, sizeof bytes);
    if (!exit_code) open_up(path);
    if (!exit_code) printf("%s  %s  sha256 %.16s\n", path, bytes, reply.sha256);
    api_reply_free(&reply);
    return exit_code;
}

static const json_t *find_artifact(const json_t *list, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
        if (!strcmp(json_text_at(one, "name"), name)) return one;
    return NULL;
}

static int download_some(struct cli *cli, const char *id, const json_t *list)
{
    int exit_code = 0;
    if (cli->flags.to && (cli->flags.all || cli->args.count > 3) && mkdir(cli->flags.to, 0777) && errno != EEXIST) {
        fprintf(stderr, "tandem: %s: %s\n", cli->flags.to, strerror(errno));
        return EXIT_ERROR;
    }
    size_t i;
    json_t *one;
    if (cli->flags.all)
        json_array_foreach(list, i, one)
            if (!exit_code && strcmp(json_text_at(one, "kind"), "checkpoint"))
                exit_code = download(cli, id, json_text_at(one, "name"), json_text_at(one, "sha256"));
    for (int a = 2; a < cli->args.count && !exit_code; a++) {
        const json_t *known = find_artifact(list, cli->args.item[a]);
        exit_code = download(cli, id, cli->args.item[a], known ? json_text_at(known, "sha256") : NULL);
    }
    return exit_code;
}

int command_artifact(struct cli *cli)
{
    static const char *const head[] = {"NAME", "KIND", "SIZE", "EPOCH", "SHA256"};
    static const char help[] = "artifact ls ID | artifact get ID NAME... [--to FILE_OR_DIR] | artifact get ID --all --to DIR";
    const char *verb = cli->args.item[0];
    bool get = !strcmp(verb, "get");
    if (cli->args.count < 2 || (!get && strcmp(verb, "ls")) || (get && cli->args.count < 3 && !cli->flags.all)) return usage(help);
    const char *id = cli->args.item[1];
    struct api_call call = {.op = API_JOB_ARTIFACTS, .params = {{"id", id}}, .retry_ms = RETRY_MS, .stop = cli->stop};
    if (!get) return cli_list(cli, &call, &(struct listing){.key = "artifacts", .columns = 5, .head = head, .fill = fill_artifact_row});
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    if (!exit_code) exit_code = download_some(cli, id, json_object_get(reply.json, "artifacts"));
    api_reply_free(&reply);
    return exit_code;
}

/* ---- dataset -------------------------------------------------------------------------------------------- */
/* Starts a program and waits; its exit status, or -1 when it could not be started. */
static int run_program(char *const argv[])
{
    pid_t pid;
    int status;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ)) return -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* One archive of a folder, the same bytes for the same files: sorted, no times, no owners. */
static bool pack_folder(const char *folder, const char *archive)
{
    char *words[] = {strdup("tar"), strdup("--sort=name"), strdup("--mtime=@0"), strdup("--owner=0"), strdup("--group=0"), strdup("--numeric-owner"), strdup("--mode=u+rw,go=r"),
                     strdup("-C"), strdup(folder), strdup("-cf"), strdup(archive), strdup("."), NULL};
    int status = run_program(words);
    for (int i = 0; words[i]; i++) free(words[i]);
    if (status) fprintf(stderr, "tandem: tar of %s failed (exit %d)\n", folder, status);
    return status == 0;
}

static int put_dataset(struct cli *cli, const char *name, const char *path, const json_t *generate)
{
    struct api_call call = {.op = API_DATASET_PUT, .params = {{"name", name}}, .body = generate, .upload_path = path, .retry_ms = RETRY_MS, .stop = cli->stop};
    struct api_reply reply;
    int exit_code = cli_call(cli, &call, &reply);
    char bytes[32];
    render_bytes(json_number_at(reply.json, "bytes"), bytes, sizeof bytes);
    if (!exit_code && cli->output == OUTPUT_JSON)
        cli_print_json(&reply);
    else if (!exit_code)
        printf("%s  %s%s  %.16s\n", name, reply.status == 201 ? "stored" : "there already", path ? "" : ", to be generated", path ? json_text_at(reply.json, "sha256") : "");
    api_reply_free(&reply);
    return exit_code;
}

static int push_generator(struct cli *cli, const char *name)
{
    json_t *generate, *body;
    struct err_note note;
    enum err e = json_text_parse(cli->flags.generate, strlen(cli->flags.generate), 65536, &generate, &note);
    if (e) {
        fprintf(stderr, "tandem: --generate: %s\n", note.detail);
        return EXIT_USAGE;
    }
    body = json_pack("{s:o}", "generate", generate);
    int exit_code = put_dataset(cli, name, NULL, body);
    json_decref(body);
    return exit_code;
}

static int push(struct cli *cli, const char *name, const char *path)
{
    struct stat info;
    const char *temporary = getenv("TMPDIR");
    char archive[PATH_MAX_BYTES];
    if (!dataset_name_fits(name)) {
        fprintf(stderr, "tandem: %s: a data set's name is a lower-case letter or digit, then up to 63 of a-z 0-9 . _ -\n", name);
        return EXIT_USAGE;
    }
    if (cli->flags.generate) return push_generator(cli, name);
    if (!path) return usage("dataset push NAME FILE_OR_DIR, or dataset push NAME --generate '{\"images\": 64}'");
    if (stat(path, &info)) {
        fprintf(stderr, "tandem: %s: %s\n", path, strerror(errno));
        return EXIT_ERROR;
    }
    if (!S_ISDIR(info.st_mode)) return put_dataset(cli, name, path, NULL);
    char manifest[PATH_MAX_BYTES];
    snprintf(manifest, sizeof manifest, "%s/dataset.json", path);
    if (access(manifest, R_OK)) {
        fprintf(stderr, "tandem: %s: a data set has a dataset.json\n", path);
        return EXIT_ERROR;
    }
    snprintf(archive, sizeof archive, "%s/tandem-push-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    int file = mkstemp(archive);
    if (file < 0) {
        fprintf(stderr, "tandem: %s: %s\n", archive, strerror(errno));
        return EXIT_ERROR;
    }
    close(file);
    int exit_code = pack_folder(path, archive) ? put_dataset(cli, name, archive, NULL) : EXIT_ERROR;
    unlink(archive);
    return exit_code;
}

/* tandem-train lies beside this program, or on the PATH. */
static int check_folder(struct cli *cli, const char *folder)
{
    char train[PATH_MAX_BYTES];
    const char *slash = strrchr(cli->program_path, '/');
    snprintf(train, sizeof train, "%.*s/tandem-train", slash ? (int)(slash - cli->program_path) : 1, slash ? cli->program_path : ".");
    if (access(train, X_OK)) snprintf(train, sizeof train, "tandem-train");
    char *words[] = {train, strdup("check"), strdup("--data"), strdup(folder), NULL};
    int status = run_program(words);
    for (int i = 1; words[i]; i++) free(words[i]);
    if (status < 0 || status == 127) fprintf(stderr, "tandem: %s cannot be started: it is what reads data sets\n", train);
    return status < 0 ? EXIT_ERROR : status ? EXIT_ERROR : 0;
}

static void fill_dataset_row(struct table *t, const json_t *one)
{
    char bytes[32];
    render_bytes(json_number_at(one, "bytes"), bytes, sizeof bytes);
    table_cell(t, 0, "%s", json_text_at(one, "name"));
    table_cell(t, 1, "%s", json_is_object(json_object_get(one, "generate")) ? "generated" : bytes);
    table_cell(t, 2, "%.16s", json_text_at(one, "sha256"));
}

static int list_datasets(struct cli *cli)
{
    static const char *const head[] = {"NAME", "SIZE", "SHA256"};
    struct api_call call = {.op = API_DATASET_LIST, .retry_ms = RETRY_MS, .stop = cli->stop};
    return cli_list(cli, &call, &(struct listing){.key = "datasets", .columns = 3, .head = head, .fill = fill_dataset_row});
}

int command_dataset(struct cli *cli)
{
    const char *verb = cli->args.item[0], *first = cli->args.count > 1 ? cli->args.item[1] : NULL, *second = cli->args.count > 2 ? cli->args.item[2] : NULL;
    if (!strcmp(verb, "ls") && !first) return list_datasets(cli);
    if (!strcmp(verb, "push") && first) return push(cli, first, second);
    if (!strcmp(verb, "check") && first && !second) return check_folder(cli, first);
    return usage("dataset ls | dataset push NAME FILE_OR_DIR | dataset push NAME --generate JSON | dataset check DIR");
}
