/* settings: a program's settings as rows: name, env, flag, default, unit, help -> values, --help, --print-settings. */
#ifndef SCHEMA_BASE_SETTINGS_H
#define SCHEMA_BASE_SETTINGS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "schema/base/err.h"

enum { SETTINGS_LIST_MAX = 64 };
/* Values of a flag that may be given many times (from the environment: separated by commas), and positional arguments. */
struct settings_list {
    int count;
    const char *item[SETTINGS_LIST_MAX];
};
enum setting_type {
    SETTING_TEXT,  /* const char *; NULL when neither given nor defaulted */
    SETTING_INT,   /* int64_t; unit "bytes" takes K, M, G (1024s) */
    SETTING_REAL,  /* double */
    SETTING_BOOL,  /* bool: --flag, --no-flag; environment 1/0, true/false, yes/no */
    SETTING_WORD,  /* an enum: index into `words` */
    SETTING_LIST   /* struct settings_list */
};
/* Rows are static tables ending with {0}. Later wins: default < environment < flag. Texts are borrowed from argv, the
   environment or the row, and live as long as the program. */
struct setting {
    const char *name;      /* "lease_ms" */
    const char *env;       /* "TANDEM_LEASE_MS", or NULL: never from the environment (environment "" = not set) */
    const char *flag;      /* "--lease-ms", or NULL */
    char letter;           /* 'o' for -o, or 0 */
    enum setting_type type;
    const char *standard;  /* default as text, or NULL */
    const char *unit;      /* "ms", "bytes", "DIR": shown in help */
    double min, max;       /* numbers; both 0: any */
    const char *const *words;
    size_t offset;         /* where in the program's struct of values */
    bool secret;           /* --print-settings shows only that it is set */
    const char *help;      /* one line */
};
struct settings_page {
    const char *program;           /* "tandemd" */
    const char *usage;             /* "tandemd [FLAG...]" */
    const char *about;             /* a paragraph; may be "" */
    const struct setting *rows;
    const struct setting *more;    /* rows shared by several pages, or NULL; same struct of values */
    int args_min, args_max;        /* positional arguments */
    int exit_usage;                /* exit status of a bad flag or value; 0 = 64 */
};
enum settings_end {
    SETTINGS_GO,     /* values are filled */
    SETTINGS_SHOWN,  /* --help, --version or --print-settings was answered on stdout: exit 0 */
    SETTINGS_BAD     /* `note` says what is wrong: unknown flag with the nearest, a bad value with what is allowed */
};

/* Fills the struct at `values` from defaults, environment and argv[1..]; positional arguments into `args` (may be NULL when
   the page has none). "--" ends the flags. */
enum settings_end settings_read(const struct settings_page *page, int argc, char **argv, void *values,
                                struct settings_list *args, struct err_note *note) MUST_USE;
/* The same for main(): exits after help, and with a message on stderr after a mistake. */
void settings_read_or_exit(const struct settings_page *page, int argc, char **argv, void *values, struct settings_list *args);
void settings_help(const struct settings_page *page, FILE *to);
/* One line a setting: name=value (where it came from is not kept). */
void settings_print(const struct settings_page *page, const void *values, FILE *to);
#endif
