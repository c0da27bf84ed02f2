/* test_settings: flags over environment over defaults, and what is said to a wrong one. */
#include "schema/base/settings.h"

#include "tests/check.h"

struct values {
    const char *listen;
    int64_t lease_ms, bytes;
    double share;
    bool quiet;
    int format;
    struct settings_list hosts;
};
static const char *const formats[] = {"table", "json", NULL};
static const struct setting rows[] = {
    {.name = "listen", .env = "TEST_LISTEN", .flag = "--listen", .type = SETTING_TEXT, .standard = "127.0.0.1:8080", .unit = "ADDR",
     .offset = offsetof(struct values, listen), .help = "where to listen"},
    {.name = "lease_ms", .env = "TEST_LEASE_MS", .flag = "--lease-ms", .type = SETTING_INT, .standard = "30000", .unit = "ms", .min = 100,
     .max = 600000, .offset = offsetof(struct values, lease_ms), .help = "a lease"},
    {.name = "bytes", .flag = "--bytes", .type = SETTING_INT, .standard = "16K", .unit = "bytes", .offset = offsetof(struct values, bytes), .help = "size"},
    {0}};
static const struct setting more[] = {
    {.name = "share", .flag = "--share", .type = SETTING_REAL, .standard = "0.5", .min = 0, .max = 1, .offset = offsetof(struct values, share), .help = "share"},
    {.name = "quiet", .env = "TEST_QUIET", .flag = "--quiet", .letter = 'q', .type = SETTING_BOOL, .offset = offsetof(struct values, quiet), .help = "say less"},
    {.name = "format", .flag = "--output", .letter = 'o', .type = SETTING_WORD, .words = formats, .offset = offsetof(struct values, format), .help = "form"},
    {.name = "allow_host", .env = "TEST_HOSTS", .flag = "--allow-host", .type = SETTING_LIST, .offset = offsetof(struct values, hosts), .help = "more hosts"},
    {0}};
static const struct settings_page page = {.program = "demo", .usage = "demo [FLAG...] [FILE]", .rows = rows, .more = more, .args_max = 1};

static struct values v;
static struct settings_list args;
static struct err_note note;

static enum settings_end read_words(int argc, const char *const *words)
{
    static char copies[16][64]; /* the values borrow from them */
    char *argv[17] = {0};
    for (int i = 0; i < argc; i++) {
        snprintf(copies[i], sizeof copies[i], "%s", words[i]);
        argv[i] = copies[i];
    }
    return settings_read(&page, argc, argv, &v, &args, &note);
}
#define READ(...) read_words((int)(sizeof((const char *[]){"demo", __VA_ARGS__}) / sizeof(char *)), (const char *[]){"demo", __VA_ARGS__})

void test_settings_take_flag_over_environment_over_default(void)
{
    CHECK_INT(read_words(1, (const char *[]){"demo"}), SETTINGS_GO);
    CHECK_TEXT(v.listen, "127.0.0.1:8080");
    CHECK_INT(v.lease_ms, 30000);
    CHECK_INT(v.bytes, 16384);
    CHECK(!v.quiet && v.format == 0 && v.hosts.count == 0 && v.share == 0.5);
    setenv("TEST_LEASE_MS", "2000", 1);
    setenv("TEST_LISTEN", "", 1);
    setenv("TEST_QUIET", "yes", 1);
    setenv("TEST_HOSTS", "a,b", 1);
    CHECK_INT(READ("--listen=0.0.0.0:1", "-o", "json", "--no-quiet", "file", "--allow-host", "c"), SETTINGS_GO);
    CHECK_INT(v.lease_ms, 2000);
    CHECK_TEXT(v.listen, "0.0.0.0:1");
    CHECK(!v.quiet && v.format == 1 && v.hosts.count == 3 && args.count == 1);
    CHECK_TEXT(v.hosts.item[2], "c");
    CHECK_INT(READ("--lease-ms", "1500", "--", "--quiet"), SETTINGS_GO);
    CHECK_TEXT(v.listen, "127.0.0.1:8080"); /* an empty variable is none */
    CHECK_INT(v.lease_ms, 1500);
    CHECK_TEXT(args.item[0], "--quiet");
}

void test_settings_say_what_is_wrong(void)
{
    CHECK_INT(READ("--leas-ms", "5"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "--leas-ms: unknown flag; did you mean --lease-ms?");
    CHECK_INT(READ("--lease-ms", "5"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "--lease-ms: \"5\" is not an integer ms, from 100 to 600000");
    CHECK_INT(READ("--lease-ms=12s"), SETTINGS_BAD);
    CHECK_INT(READ("--bytes=16777216T"), SETTINGS_BAD);
    CHECK_INT(READ("--bytes=9223372036854775807K"), SETTINGS_BAD);
    CHECK_INT(READ("--output", "yaml"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "--output: \"yaml\" is not one of: table, json");
    CHECK_INT(READ("--share"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "--share needs a value");
    CHECK_INT(READ("a", "b"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "b: one argument too many; usage: demo [FLAG...] [FILE]");
    setenv("TEST_LEASE_MS", "soon", 1);
    CHECK_INT(READ("a"), SETTINGS_BAD);
    CHECK_TEXT(note.detail, "TEST_LEASE_MS: \"soon\" is not an integer ms, from 100 to 600000");
    CHECK_INT(READ("--help"), SETTINGS_SHOWN);
}

void test_settings_print_help_and_values(void)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    CHECK_INT(read_words(1, (const char *[]){"demo"}), SETTINGS_GO);
    settings_help(&page, to);
    settings_print(&page, &v, to);
    fclose(to);
    CHECK_HAS(text, "  --lease-ms ms                  a lease [30000] ($TEST_LEASE_MS)\n");
    CHECK_HAS(text, "  -o, --output TEXT              form (table|json)\n");
    CHECK_HAS(text, "\nlease_ms=30000\nbytes=16384\nshare=0.5\nquiet=false\nformat=table\nallow_host=\n");
    free(text);
}
