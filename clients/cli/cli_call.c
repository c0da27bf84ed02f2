/* cli_call: one call for all commands: what went wrong is said once, in full, and becomes an exit code. */
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command.h"

int cli_exit_of(enum err e)
{
    switch (e) {
    case OK: return EXIT_OK;
    case ERR_UNAUTHORIZED:
    case ERR_FORBIDDEN: return EXIT_AUTH;
    case ERR_NOT_FOUND: return EXIT_NOT_FOUND;
    case ERR_CANCELLED: return EXIT_DETACHED;
    case ERR_BAD_REQUEST: return EXIT_USAGE;
    default: break;
    }
    int status = err_http_status(e);
    return status == 409 || status == 412 ? EXIT_CONFLICT : EXIT_ERROR;
}

static void say_note(const struct err_note *n, const char *before)
{
    char text[512];
    fprintf(stderr, "%s%s%s%s", before, n->pointer, n->pointer[0] ? ": " : "", render_plain(n->detail, text, sizeof text));
    if (n->found[0]) fprintf(stderr, "; found %s", render_plain(n->found, text, sizeof text));
    if (n->allowed[0]) fprintf(stderr, "; allowed %s", render_plain(n->allowed, text, sizeof text));
    if (n->nearest[0]) fprintf(stderr, "; did you mean %s?", render_plain(n->nearest, text, sizeof text));
    fputc('\n', stderr);
}

/* 422: every mistake of the list; else the problem's own sentence, and what to do. */
static void say_problem(enum err e, const struct api_reply *reply, const struct err_note *note)
{
    static struct err_list errors;
    errors.count = errors.dropped = 0;
    if (reply->json) api_problem_read(reply, &errors);
    if (errors.count > 1) {
        fprintf(stderr, "tandem: refused, %zu mistakes:\n", errors.count + errors.dropped);
        for (size_t i = 0; i < errors.count; i++) say_note(&errors.notes[i], "  ");
    } else
        say_note(note, "tandem: ");
    if (errors.count <= 1 && *err_hint(e) && strcmp(err_hint(e), note->detail)) fprintf(stderr, "        %s\n", err_hint(e));
}

int cli_call(struct cli *cli, const struct api_call *call, struct api_reply *reply)
{
    struct err_note note = {0};
    enum err e = api_call(cli->client, call, reply, &note);
    if (e && e != ERR_CANCELLED) say_problem(e, reply, &note);
    return cli_exit_of(e);
}

void cli_print_json(const struct api_reply *reply)
{
    if (!reply->text) return;
    size_t length = strlen(reply->text);
    fputs(reply->text, stdout);
    if (!length || reply->text[length - 1] != '\n') fputc('\n', stdout);
}

static void print_rows(const struct cli *cli, const json_t *body, const struct listing *listing)
{
    struct table t;
    size_t i;
    json_t *row;
    table_init(&t, listing->columns, listing->head);
    json_array_foreach(json_object_get(body, listing->key), i, row) {
        table_next_row(&t);
        listing->fill(&t, row);
    }
    table_print(&t, cli->output, stdout);
    table_free(&t);
    if (listing->more) *listing->more = json_is_integer(json_object_get(body, "next"));
}

int cli_list(struct cli *cli, const struct api_call *call, const struct listing *listing)
{
    struct api_reply reply;
    int exit_code = cli_call(cli, call, &reply);
    if (!exit_code && cli->output == OUTPUT_JSON)
        cli_print_json(&reply);
    else if (!exit_code)
        print_rows(cli, reply.json, listing);
    api_reply_free(&reply);
    return exit_code;
}
