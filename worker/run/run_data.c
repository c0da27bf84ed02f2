/* run_data: the data set of a job in memory: from a folder, from an uploaded archive, or generated. */
#include "worker/run/run_data.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "worker/data/archive_unpack.h"
#include "worker/data/generate.h"

enum { PATH_ROOM = 4096 + 600 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

void run_data_remove(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static enum err generate(const struct dataset_generate *g, const struct validation_spec *v, struct dataset *set, struct err_note *note)
{
    struct generator generator = GENERATOR_DEFAULT;
    generator.images = (uint32_t)g->images;
    generator.size = (uint32_t)g->size;
    generator.classes = (uint32_t)g->classes;
    generator.foreground = g->foreground;
    generator.noise = g->noise;
    generator.seed = (uint64_t)g->seed;
    return generate_dataset_fold(&generator, v->fold, v->folds, set, note);
}

static enum err load_archive(const char *archive, const char *out_dir, const struct validation_spec *v, struct dataset *set, struct err_note *note)
{
    char folder[PATH_ROOM], *root = NULL;
    err_print(folder, sizeof folder, "%s/data-unpacked", out_dir);
    run_data_remove(folder); /* of an attempt that was killed */
    if (mkdir(folder, 0755) < 0)
        return err_set(note, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO, folder, "cannot make %s: %s", folder, strerror(errno));
    enum err e = archive_unpack(archive, folder, &archive_limits_default, &root, note);
    if (!e)
        e = dataset_load_fold(root, 0, v->fold, v->folds, set, note);
    free(root);
    run_data_remove(folder);
    return e;
}

enum err run_data_load(const struct job_spec *job, const char *data, const char *out_dir, struct dataset *set, struct err_note *note)
{
    const struct dataset_spec *spec = &job->dataset;
    const struct validation_spec *v = &job->validation;
    char path[PATH_ROOM];
    struct stat st;
    if (spec->source == DATASET_GENERATE)
        return generate(&spec->generate, v, set, note);
    if (!data)
        return err_set(note, ERR_SPEC, "/dataset", "the job names a data set: give its folder with --data");
    if (stat(data, &st) < 0)
        return err_set(note, ERR_DATA, data, "cannot open %s: %s", data, strerror(errno));
    if (S_ISREG(st.st_mode))
        return load_archive(data, out_dir, v, set, note);
    err_print(path, sizeof path, "%s/dataset.json", data);
    if (access(path, F_OK) == 0)
        return dataset_load_fold(data, 0, v->fold, v->folds, set, note);
    err_print(path, sizeof path, "%s/%s", data, spec->source == DATASET_PATH ? spec->path : spec->name);
    return dataset_load_fold(access(path, F_OK) == 0 ? path : data, 0, v->fold, v->folds, set, note);
}
