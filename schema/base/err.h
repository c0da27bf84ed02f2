/* err: the project's error words, and the note that says what was wrong to a person at midnight. */
#ifndef SCHEMA_BASE_ERR_H
#define SCHEMA_BASE_ERR_H
#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
    OK = 0,
#define X(name, word, status, hint) name,
#include "schema/base/err.tbl"
#undef X
    ERR_COUNT
};

const char *err_word(enum err e);   /* "lease_lost"; "ok" for OK */
int err_http_status(enum err e);    /* 409; 200 for OK */
const char *err_hint(enum err e);   /* what to do about it; may be "" */
enum err err_of_word(const char *word, enum err other); /* `other` when no row has that word */

/* One mistake: where (a JSON pointer or a file), what was found, what is allowed, the nearest right word.
   Fields that do not apply are "". Plain storage: copy it, keep it, no ownership. */
struct err_note {
    enum err code;
    char pointer[192];
    char detail[384];
    char found[96];
    char allowed[256];
    char nearest[64];
};

/* All mistakes of one reading. Past the capacity they are counted in `dropped`. */
enum { ERR_LIST_MAX = 64 };
struct err_list {
    size_t count, dropped;
    struct err_note notes[ERR_LIST_MAX];
};

/* Fills `note` (which may be NULL) and returns `code`: `return err_set(note, ERR_DATA, "masks/a.png", "...")`. */
enum err err_set(struct err_note *note, enum err code, const char *pointer, const char *format, ...) PRINTF_LIKE(4, 5);
/* Puts "prefix: " before the detail, once, on the way up. */
void err_wrap(struct err_note *note, const char *prefix);
/* Appends to `list` and returns the new note for found/allowed/nearest to be filled (never NULL; past the capacity a scratch one). */
struct err_note *err_add(struct err_list *list, enum err code, const char *pointer, const char *format, ...) PRINTF_LIKE(4, 5);
/* The word of `words` (ends with NULL) with the smallest edit distance to `word`, or NULL when none is near
   (more than a third of its letters would have to change). */
const char *err_nearest(const char *word, const char *const *words);
/* snprintf that cuts at a UTF-8 boundary and never fails. */
void err_print(char *to, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
#endif
