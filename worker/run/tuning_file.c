/* tuning_file: lines in, lines out. */
#include "worker/run/tuning_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "schema/base/buf.h"
#include "schema/base/sha256.h"
#include "worker/net/backend_list.h"

static const char *const kinds[TUNE_KINDS] = {"forward", "backward_data", "backward_weights", "backward"};
static const char *const algorithms[] = {"direct", "winograd"};
enum { ALGORITHMS = sizeof algorithms / sizeof *algorithms, LINE_MAX_BYTES = 256, MACHINE_DIGITS = 16 };

/* The name of the processor as the kernel tells it; "" where it does not. */
static void processor_name(char *to, size_t size)
{
    char text[256];
    FILE *f = fopen("/proc/cpuinfo", "re");
    to[0] = 0;
    while (f && fgets(text, sizeof text, f))
        if (!strncmp(text, "model name", 10)) {
            err_print(to, size, "%s", text);
            break;
        }
    if (f)
        fclose(f);
}

enum err tuning_file_open(struct tuning_file *file, const char *path, const char *isa, struct err_note *note)
{
    char processor[256], about[512], digest[SHA256_HEX];
    *file = (struct tuning_file){.fd = -1};
    if (!path)
        return OK;
    processor_name(processor, sizeof processor);
    const char *forced = getenv("TANDEM_ISA");
    err_print(about, sizeof about, "%s\n%s\n%s\n%s\n%s", processor, isa, forced ? forced : "", backend_library(), TANDEM_VERSION);
    sha256_hex_of(about, strlen(about), digest);
    err_print(file->machine, sizeof file->machine, "%.*s", MACHINE_DIGITS, digest);
    file->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    return file->fd >= 0 ? OK : err_set(note, ERR_IO, path, "cannot open %s: %s", path, strerror(errno));
}

static int word_of(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(word, words[i]))
            return i;
    return -1;
}

/* False: not a line of this machine, or of another form. */
static bool read_line(const char *line, const char *machine, struct tune_entry *to)
{
    char whose[32], kind[24], algorithm[24];
    struct tune_entry e = {0};
    int end = 0;
    if (sscanf(line, "%31s %d %d %d %d %d %d %23s %23s %d %lf %lf%n", whose, &e.block, &e.rows, &e.columns, &e.ins, &e.outs, &e.stride, kind, algorithm, &e.samples, &e.ns,
               &e.prepare_ns, &end) != 12 || line[end])
        return false;
    int k = word_of(kind, kinds, TUNE_KINDS), a = word_of(algorithm, algorithms, ALGORITHMS);
    if (k < 0 || a < 0 || strcmp(whose, machine) || !(e.ns >= 0) || !(e.prepare_ns >= 0))
        return false;
    e.kind = (enum tune_kind)k;
    e.algorithm = (enum network_algorithm)a;
    *to = e;
    return true;
}

void tuning_file_read(const struct tuning_file *file, struct tune_table *table)
{
    struct stat st;
    *table = (struct tune_table){0};
    if (file->fd < 0 || fstat(file->fd, &st) || st.st_size <= 0 || st.st_size > TUNING_FILE_BYTES_MAX)
        return;
    char *text = malloc((size_t)st.st_size + 1);
    ssize_t got = text ? pread(file->fd, text, (size_t)st.st_size, 0) : -1;
    if (got > 0) {
        text[got] = 0;
        char *rest = text;
        for (char *line = strsep(&rest, "\n"); line && rest && table->count < TUNE_ENTRIES_MAX; line = strsep(&rest, "\n"))
            table->count += read_line(line, file->machine, &table->entry[table->count]);
    }
    table->known = table->count;
    free(text);
}

enum err tuning_file_append(const struct tuning_file *file, const struct tune_table *table, struct err_note *note)
{
    struct buf text;
    struct stat st;
    if (file->fd < 0 || table->count == table->known || fstat(file->fd, &st) || st.st_size > TUNING_FILE_BYTES_MAX)
        return OK;
    buf_init(&text, TUNING_FILE_BYTES_MAX);
    enum err e = buf_text(&text, "\n"); /* a line that somebody's death cut short ends here */
    for (int i = table->known; i < table->count && !e; i++) {
        const struct tune_entry *t = &table->entry[i];
        e = buf_printf(&text, "%s %d %d %d %d %d %d %s %s %d %.0f %.0f\n", file->machine, t->block, t->rows, t->columns, t->ins, t->outs, t->stride, kinds[t->kind],
                      algorithms[t->algorithm], t->samples, t->ns, t->prepare_ns);
    }
    if (!e && write(file->fd, text.data, text.length) != (ssize_t)text.length) /* one write: appended as a whole */
        e = err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, "", "the tuning file could not be written: %s", strerror(errno));
    buf_free(&text);
    return e;
}

void tuning_file_close(struct tuning_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
