/* err: the table of error words, notes and the nearest-word search. */
#include "schema/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    int status;
    const char *hint;
} table[ERR_COUNT] = {
    [OK] = {"ok", 200, ""},
#define X(name, word, status, hint) [name] = {word, status, hint},
#include "schema/base/err.tbl"
#undef X
};

const char *err_word(enum err e)
{
    return table[e].word;
}

int err_http_status(enum err e)
{
    return table[e].status;
}

const char *err_hint(enum err e)
{
    return table[e].hint;
}

enum err err_of_word(const char *word, enum err other)
{
    for (unsigned e = 0; e < ERR_COUNT; e++)
        if (!strcmp(table[e].word, word)) return (enum err)e;
    return other;
}

static void print_list(char *to, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
static void print_list(char *to, size_t size, const char *format, va_list args)
{
    int length = vsnprintf(to, size, format, args);
    if (length < 0) {
        to[0] = 0;
        return;
    }
    if ((size_t)length < size) return;
    size_t end = size - 1; /* cut: step back over the bytes of a half character */
    while (end > 0 && ((unsigned char)to[end - 1] & 0xC0) == 0x80) end--;
    if (end > 0 && ((unsigned char)to[end - 1] & 0xC0) == 0xC0) to[end - 1] = 0;
}

void err_print(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_list(to, size, format, args);
    va_end(args);
}

static void fill(struct err_note *note, enum err code, const char *pointer)
{
    memset(note, 0, sizeof *note);
    note->code = code;
    err_print(note->pointer, sizeof note->pointer, "%s", pointer ? pointer : "");
}

enum err err_set(struct err_note *note, enum err code, const char *pointer, const char *format, ...)
{
    if (!note) return code;
    fill(note, code, pointer);
    va_list args;
    va_start(args, format);
    print_list(note->detail, sizeof note->detail, format, args);
    va_end(args);
    return code;
}

void err_wrap(struct err_note *note, const char *prefix)
{
    if (!note) return;
    char old[sizeof note->detail];
    memcpy(old, note->detail, sizeof old);
    err_print(note->detail, sizeof note->detail, "%s: %s", prefix, old);
}

struct err_note *err_add(struct err_list *list, enum err code, const char *pointer, const char *format, ...)
{
    static _Thread_local struct err_note scratch;
    struct err_note *note = &scratch;
    if (list->count < ERR_LIST_MAX)
        note = &list->notes[list->count++];
    else
        list->dropped++;
    fill(note, code, pointer);
    va_list args;
    va_start(args, format);
    print_list(note->detail, sizeof note->detail, format, args);
    va_end(args);
    return note;
}

/* Levenshtein distance of two words, cut to 47 letters each. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[48];
    size_t n = strnlen(b, 47), m = strnlen(a, 47);
    for (size_t j = 0; j <= n; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= m; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned keep = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < keep ? change : keep;
        }
    }
    return row[n];
}

const char *err_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    unsigned best_distance = (unsigned)(strnlen(word, 47) + 2) / 3 + 1;
    for (; *words; words++) {
        unsigned d = distance(word, *words);
        if (d < best_distance) {
            best = *words;
            best_distance = d;
        }
    }
    return best;
}
