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

static void refuse_one(const char *folder, bool *seen)
{
    static struct job_spec spec;
    static struct err_list errors, warnings;
    char path[2048];
    snprintf(path, sizeof path, "%s/job.json", folder);
    char *job = read_file(path);
    CHECK(job);
    errors.count = errors.dropped = warnings.count = 0;
    enum err e = job_spec_parse(job, strlen(job), &spec, &errors, &warnings);
    if (!e) check_fail(__FILE__, __LINE__, "%s is accepted", path);
    char *got = vector_notes(&errors);
    for (size_t i = 0; seen && i < errors.count; i++) seen[errors.notes[i].code] = true;
    snprintf(path, sizeof path, "%s/error.txt", folder);
    if (getenv("TANDEM_WRITE_VECTORS")) {
        FILE *f = fopen(path, "w");
        CHECK(f && fputs(got, f) >= 0 && !fclose(f));
    }
    char *want = read_file(path);
    if (!want || strcmp(got, want)) check_fail(__FILE__, __LINE__, "%s:\n  got  %s\n  want %s", folder, got, want ? want : "(no error.txt)");
    free(job);
    free(got);
    free(want);
}

int each_refused_vector(bool *seen)
{
    struct dirent **entries;
    int count = list("tests/vectors/job_spec/invalid", &entries), met = 0;
    for (int i = 0; i < count; i++) {
        char folder[1024];
        snprintf(folder, sizeof folder, "%s/tests/vectors/job_spec/invalid/%s", check_root(), entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            refuse_one(folder, seen);
            met++;
        }
        free(entries[i]);
    }
    free(entries);
    return met;
}
