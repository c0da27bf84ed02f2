/* job_vectors: see job_vectors.h. */
#include "tests/unit/job_vectors.h"

#include <dirent.h>

#include "schema/base/buf.h"
#include "schema/job/job_spec_json.h"
#include "tests/check.h"

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    char *text = calloc(1, 1 << 20);
    CHECK(text && fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1);
    fclose(f);
    return text;
}

char *vector_notes(const struct err_list *errors)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    for (size_t i = 0; i < errors->count; i++) {
        const struct err_note *n = &errors->notes[i];
        fprintf(to, "%s %s: %s", err_word(n->code), n->pointer, n->detail);
        if (n->found[0]) fprintf(to, "; found %s", n->found);
        if (n->allowed[0]) fprintf(to, "; allowed %s", n->allowed);
        if (n->nearest[0]) fprintf(to, "; nearest %s", n->nearest);
        fputc('\n', to);
    }
    fclose(to);
    return text;
}

static int list(const char *folder, struct dirent ***entries)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", check_root(), folder);
    int count = scandir(path, entries, NULL, alphasort);
    if (count < 0) check_fail(__FILE__, __LINE__, "no folder %s", path);
    return count;
}

int each_vector(const char *folder, void (*each)(const char *name, const char *text))
{
    struct dirent **entries;
    int count = list(folder, &entries), met = 0;
    for (int i = 0; i < count; i++) {
        char path[2048];
        const char *name = entries[i]->d_name;
        size_t length = strlen(name);
        if (length > 5 && !strcmp(name + length - 5, ".json")) {
            snprintf(path, sizeof path, "%s/%s/%s", check_root(), folder, name);
            char *text = read_file(path);
            each(name, text);
            free(text);
            met++;
        }
        free(entries[i]);
    }
    free(entries);
    return met;
}

/* Holds `got` against the file, or writes it there. */
static void hold_against(const char *folder, const char *name, const char *got)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (getenv("TANDEM_WRITE_VECTORS")) {
        FILE *f = fopen(path, "w");
        CHECK(f && fputs(got, f) >= 0 && !fclose(f));
    }
    char *want = read_file(path);
    if (!want || strcmp(got, want)) check_fail(__FILE__, __LINE__, "%s:\n  got  %s\n  want %s", folder, got, want ? want : "(no such file)");
    free(want);
}

static enum err read_job(const char *folder, struct err_list *errors, struct err_list *warnings)
{
    static struct job_spec spec;
    char path[2048];
    snprintf(path, sizeof path, "%s/job.json", folder);
    char *job = read_file(path);
    CHECK(job);
    errors->count = errors->dropped = warnings->count = warnings->dropped = 0;
    enum err e = job_spec_parse(job, strlen(job), &spec, errors, warnings);
    free(job);
    return e;
}

static void refuse_one(const char *folder, void *context)
{
    static struct err_list errors, warnings;
    bool *seen = context;
    if (!read_job(folder, &errors, &warnings)) check_fail(__FILE__, __LINE__, "%s is accepted", folder);
    char *got = vector_notes(&errors);
    for (size_t i = 0; seen && i < errors.count; i++) seen[errors.notes[i].code] = true;
    hold_against(folder, "error.txt", got);
    free(got);
}

static void remark_one(const char *folder, void *context)
{
    static struct err_list errors, warnings;
    struct buf text;
    json_t *met = context;
    if (read_job(folder, &errors, &warnings)) check_fail(__FILE__, __LINE__, "%s is refused: %s", folder, vector_notes(&errors));
    buf_init(&text, 65536);
    for (size_t i = 0; i < warnings.count; i++) {
        const struct err_note *n = &warnings.notes[i];
        CHECK(!buf_printf(&text, "%s %s: %s\n", n->nearest, n->pointer, n->detail));
        json_object_set_new(met, n->nearest, json_true());
    }
    hold_against(folder, "remarks.txt", text.data ? text.data : "");
    buf_free(&text);
}

static int each_folder(const char *of, void (*each)(const char *folder, void *context), void *context)
{
    struct dirent **entries;
    int count = list(of, &entries), met = 0;
    for (int i = 0; i < count; i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/%s/%s", check_root(), of, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            each(folder, context);
            met++;
        }
        free(entries[i]);
    }
    free(entries);
    return met;
}

int each_refused_vector(bool *seen)
{
    return each_folder("tests/vectors/job_spec/invalid", refuse_one, seen);
}

int each_remarked_vector(json_t *met)
{
    return each_folder("tests/vectors/job_spec/remarked", remark_one, met);
}
