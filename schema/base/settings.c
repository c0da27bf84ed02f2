/* settings: flags over environment over defaults, one row a setting. */
#include "schema/base/settings.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Walks rows, then the shared rows: each_row(page, NULL) is the first. NULL at the end. */
static const struct setting *each_row(const struct settings_page *page, const struct setting *row)
{
    bool in_more = false;
    if (!row)
        row = page->rows;
    else {
        for (const struct setting *r = page->more; r && r->name && !in_more; r++) in_more = r == row;
        row++;
    }
    if (row && row->name) return row;
    return in_more || !page->more || !page->more->name ? NULL : page->more;
}

static void say_allowed(const struct setting *s, char *to, size_t size)
{
    size_t n;
    const char *unit = s->unit ? s->unit : "";
    switch (s->type) {
    case SETTING_BOOL: err_print(to, size, "true or false"); return;
    case SETTING_INT:
    case SETTING_REAL:
        err_print(to, size, "%s %s", s->type == SETTING_INT ? "an integer" : "a number", unit);
        n = strlen(to);
        if (s->min < s->max) err_print(to + n, size - n, "%sfrom %.15g to %.15g", *unit ? ", " : "", s->min, s->max);
        return;
    case SETTING_WORD:
        err_print(to, size, "one of:");
        for (const char *const *w = s->words; *w; w++) {
            n = strlen(to);
            err_print(to + n, size - n, "%s %s", w == s->words ? "" : ",", *w);
        }
        return;
    case SETTING_TEXT:
    case SETTING_LIST: err_print(to, size, "a text"); return;
    }
}

static bool parse_bool(const char *text, bool *value)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no", "off"};
    for (unsigned i = 0; i < 4; i++)
        if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
            *value = !strcmp(text, yes[i]);
            return true;
        }
    return false;
}

static bool parse_int(const struct setting *s, const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text) return false;
    static const char letters[] = "KMG";
    const char *letter = *end && s->unit && !strcmp(s->unit, "bytes") ? strchr(letters, *end) : NULL;
    if (letter) {
        for (const char *l = letters; l <= letter; l++)
            if (__builtin_mul_overflow(n, 1024, &n)) return false;
        end++;
    }
    if (*end || (s->min < s->max && ((double)n < s->min || (double)n > s->max))) return false;
    *value = n;
    return true;
}

static bool parse_real(const struct setting *s, const char *text, double *value)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || (s->min < s->max && (x < s->min || x > s->max))) return false;
    *value = x;
    return true;
}

static bool parse_word(const struct setting *s, const char *text, void *to)
{
    for (int i = 0; s->words[i]; i++)
        if (!strcmp(s->words[i], text)) {
            memcpy(to, &i, sizeof i);
            return true;
        }
    return false;
}

/* Puts `text` into the value of the row. False when it is not allowed. */
static bool put(const struct setting *s, const char *text, void *values)
{
    char *to = (char *)values + s->offset;
    struct settings_list *list = (struct settings_list *)(void *)to;
    switch (s->type) {
    case SETTING_TEXT: memcpy(to, &text, sizeof text); return true;
    case SETTING_BOOL: return parse_bool(text, (bool *)to);
    case SETTING_INT: return parse_int(s, text, (int64_t *)(void *)to);
    case SETTING_REAL: return parse_real(s, text, (double *)(void *)to);
    case SETTING_WORD: return parse_word(s, text, to);
    case SETTING_LIST:
        if (list->count == SETTINGS_LIST_MAX) return false;
        list->item[list->count++] = text;
        return true;
    }
    return false;
}

static bool put_or_note(const struct setting *s, const char *text, const char *where, void *values, struct err_note *note)
{
    char allowed[256];
    if (put(s, text, values)) return true;
    say_allowed(s, allowed, sizeof allowed);
    err_set(note, ERR_RANGE, where, "%s: \"%s\" is not %s", where, s->secret ? "***" : text, allowed);
    return false;
}

/* Copies of lists from the environment: kept, as values borrow from them until the end. */
static struct kept {
    struct kept *next;
    char text[];
} *kept_copies;

static char *keep(const char *text)
{
    struct kept *k = malloc(sizeof *k + strlen(text) + 1);
    assert(k);
    k->next = kept_copies;
    kept_copies = k;
    return strcpy(k->text, text);
}

/* A list in the environment is separated by commas. */
static bool put_environment(const struct setting *s, const char *text, void *values, struct err_note *note)
{
    if (s->type != SETTING_LIST) return put_or_note(s, text, s->env, values, note);
    char *rest = NULL;
    for (char *item = strtok_r(keep(text), ",", &rest); item; item = strtok_r(NULL, ",", &rest))
        if (!put_or_note(s, item, s->env, values, note)) return false;
    return true;
}

static void put_standard(const struct setting *s, void *values)
{
    void *to = (char *)values + s->offset;
    static const size_t sizes[] = {[SETTING_TEXT] = sizeof(char *),  [SETTING_INT] = sizeof(int64_t), [SETTING_REAL] = sizeof(double),
                                   [SETTING_BOOL] = sizeof(bool),    [SETTING_WORD] = sizeof(int),
                                   [SETTING_LIST] = sizeof(struct settings_list)};
    memset(to, 0, sizes[s->type]);
    bool fits = !s->standard || put(s, s->standard, values);
    assert(fits);
}

static bool put_defaults(const struct settings_page *page, void *values, struct err_note *note)
{
    for (const struct setting *s = each_row(page, NULL); s; s = each_row(page, s)) {
        const char *env = s->env ? getenv(s->env) : NULL;
        put_standard(s, values);
        if (env && *env && !put_environment(s, env, values, note)) return false;
    }
    return true;
}

static const struct setting *find_flag(const struct settings_page *page, const char *text, size_t length, bool *negated)
{
    *negated = false;
    for (const struct setting *s = each_row(page, NULL); s; s = each_row(page, s)) {
        if (s->letter && length == 2 && text[0] == '-' && text[1] == s->letter) return s;
        if (!s->flag) continue;
        if (strlen(s->flag) == length && !memcmp(s->flag, text, length)) return s;
        *negated = s->type == SETTING_BOOL && length == strlen(s->flag) + 3 && !memcmp(text, "--no-", 5) &&
                   !memcmp(text + 5, s->flag + 2, length - 5);
        if (*negated) return s;
    }
    return NULL;
}

static void refuse_flag(const struct settings_page *page, const char *text, size_t length, struct err_note *note)
{
    const char *names[96] = {"--help", "--version", "--print-settings"};
    int count = 3;
    char flag[64];
    for (const struct setting *s = each_row(page, NULL); s && count < 95; s = each_row(page, s))
        if (s->flag) names[count++] = s->flag;
    err_print(flag, sizeof flag, "%.*s", (int)length, text);
    const char *nearest = err_nearest(flag, names);
    err_set(note, ERR_KEY_UNKNOWN, flag, "%s: unknown flag%s%s%s", flag, nearest ? "; did you mean " : "; --help lists them",
            nearest ? nearest : "", nearest ? "?" : "");
    if (note && nearest) err_print(note->nearest, sizeof note->nearest, "%s", nearest);
}

/* One flag and, if it takes one, its value. Returns how many words of argv it used, 0 after a mistake. */
static int read_flag(const struct settings_page *page, char **argv, void *values, struct err_note *note)
{
    const char *text = argv[0], *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    bool negated;
    const struct setting *s = find_flag(page, text, length, &negated);
    if (!s) {
        refuse_flag(page, text, length, note);
        return 0;
    }
    char where[64];
    err_print(where, sizeof where, "%.*s", (int)length, text);
    if (s->type == SETTING_BOOL && !equals) return put_or_note(s, negated ? "false" : "true", where, values, note);
    if (equals) return !negated && put_or_note(s, equals + 1, where, values, note);
    if (!argv[1]) {
        err_set(note, ERR_KEY_MISSING, where, "%s needs a value%s%s", where, s->unit ? ": " : "", s->unit ? s->unit : "");
        return 0;
    }
    return put_or_note(s, argv[1], where, values, note) ? 2 : 0;
}

static bool take_arg(const struct settings_page *page, const char *text, struct settings_list *args, struct err_note *note)
{
    if (args && args->count < page->args_max && args->count < SETTINGS_LIST_MAX) {
        args->item[args->count++] = text;
        return true;
    }
    err_set(note, ERR_KEY_UNEXPECTED, text, "%s: one argument too many; usage: %s", text, page->usage);
    return false;
}

static enum settings_end show(const struct settings_page *page, const char *flag)
{
    if (!strcmp(flag, "--version"))
        printf("%s " TANDEM_VERSION "\n", page->program);
    else
        settings_help(page, stdout);
    return SETTINGS_SHOWN;
}

enum settings_end settings_read(const struct settings_page *page, int argc, char **argv, void *values, struct settings_list *args,
                                struct err_note *note)
{
    bool print = false, flags = true;
    if (args) args->count = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) /* help is given whatever else is wrong */
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "--version")) return show(page, argv[i]);
    if (!put_defaults(page, values, note)) return SETTINGS_BAD;
    for (int i = 1; i < argc;) {
        int used = 1;
        if (flags && !strcmp(argv[i], "--"))
            flags = false;
        else if (flags && !strcmp(argv[i], "--print-settings"))
            print = true;
        else if (flags && argv[i][0] == '-' && argv[i][1])
            used = read_flag(page, argv + i, values, note);
        else
            used = take_arg(page, argv[i], args, note);
        if (!used) return SETTINGS_BAD;
        i += used;
    }
    if (print) {
        settings_print(page, values, stdout);
        return SETTINGS_SHOWN;
    }
    if (!args || args->count >= page->args_min) return SETTINGS_GO;
    err_set(note, ERR_KEY_MISSING, "", "an argument is missing; usage: %s", page->usage);
    return SETTINGS_BAD;
}

void settings_read_or_exit(const struct settings_page *page, int argc, char **argv, void *values, struct settings_list *args)
{
    struct err_note note;
    switch (settings_read(page, argc, argv, values, args, &note)) {
    case SETTINGS_GO: return;
    case SETTINGS_SHOWN: exit(0);
    case SETTINGS_BAD: break;
    }
    fprintf(stderr, "%s: %s\n", page->program, note.detail);
    exit(page->exit_usage ? page->exit_usage : 64);
}

static void help_row(const struct setting *s, FILE *to)
{
    char left[96];
    char letter[8] = "";
    if (s->letter) snprintf(letter, sizeof letter, "-%c, ", s->letter);
    const char *value = s->type == SETTING_BOOL ? "" : s->unit && *s->unit ? s->unit : s->type == SETTING_INT ? "N" : "TEXT";
    err_print(left, sizeof left, "%s%s%s%s", letter, s->flag ? s->flag : s->env, *value ? " " : "", value);
    fprintf(to, "  %-30s %s", left, s->help);
    if (s->type == SETTING_WORD) {
        fputs(" (", to);
        for (const char *const *w = s->words; *w; w++) fprintf(to, "%s%s", w == s->words ? "" : "|", *w);
        fputs(")", to);
    }
    if (s->standard && *s->standard && s->type != SETTING_BOOL) fprintf(to, " [%s]", s->standard);
    if (s->env && s->flag) fprintf(to, " ($%s)", s->env);
    fputs("\n", to);
}

void settings_help(const struct settings_page *page, FILE *to)
{
    fprintf(to, "usage: %s\n", page->usage);
    if (page->about && *page->about) fprintf(to, "%s\n", page->about);
    fputs("\n", to);
    for (const struct setting *s = each_row(page, NULL); s; s = each_row(page, s)) help_row(s, to);
    fputs("  --help, --version, --print-settings\n", to);
}

void settings_print(const struct settings_page *page, const void *values, FILE *to)
{
    for (const struct setting *s = each_row(page, NULL); s; s = each_row(page, s)) {
        const char *from = (const char *)values + s->offset, *text;
        const struct settings_list *list = (const struct settings_list *)(const void *)from;
        int word;
        fprintf(to, "%s=", s->name);
        switch (s->type) {
        case SETTING_TEXT:
            memcpy(&text, from, sizeof text);
            fputs(!text ? "" : s->secret ? "***" : text, to);
            break;
        case SETTING_INT: fprintf(to, "%lld", (long long)*(const int64_t *)(const void *)from); break;
        case SETTING_REAL: fprintf(to, "%.15g", *(const double *)(const void *)from); break;
        case SETTING_BOOL: fputs(*(const bool *)from ? "true" : "false", to); break;
        case SETTING_WORD: memcpy(&word, from, sizeof word); fputs(s->words[word], to); break;
        case SETTING_LIST:
            for (int i = 0; i < list->count; i++) fprintf(to, "%s%s", i ? "," : "", s->secret ? "***" : list->item[i]);
            break;
        }
        fputs("\n", to);
    }
}
