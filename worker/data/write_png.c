/* write_png: libpng's writer; its errors longjmp, so what must be freed lives in struct job. */
#include "worker/data/write_png.h"

#include <assert.h>
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

struct job {
    struct buf *to;
    enum err result;
    png_structp png;
    png_infop info;
};

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    (void)message;
    if (!job->result) job->result = ERR_NO_MEMORY; /* the only thing libpng can complain of here */
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t count)
{
    struct job *job = png_get_io_ptr(png);
    job->result = buf_add(job->to, bytes, count);
    if (job->result) png_error(png, "no room");
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void encode_guarded(struct job *job, uint32_t width, uint32_t height, unsigned channels, const uint8_t *pixels)
{
    if (setjmp(png_jmpbuf(job->png))) return;
    png_set_write_fn(job->png, job, write_bytes, flush_nothing);
    png_set_IHDR(job->png, job->info, width, height, 8, channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (uint32_t y = 0; y < height; y++) png_write_row(job->png, pixels + (size_t)y * width * channels);
    png_write_end(job->png, NULL);
}

enum err write_png_to_buf(struct buf *to, uint32_t width, uint32_t height, unsigned channels, const uint8_t *pixels)
{
    assert((channels == 1 || channels == 3) && width > 0 && height > 0);
    struct job job = {.to = to};
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    if (job.png) job.info = png_create_info_struct(job.png);
    if (job.info)
        encode_guarded(&job, width, height, channels, pixels);
    else
        job.result = ERR_NO_MEMORY;
    png_destroy_write_struct(&job.png, &job.info);
    return job.result;
}

enum err write_png(const char *path, uint32_t width, uint32_t height, unsigned channels, const uint8_t *pixels,
                   struct err_note *note)
{
    struct buf bytes;
    buf_init(&bytes, (size_t)1 << 31);
    enum err e = write_png_to_buf(&bytes, width, height, channels, pixels);
    if (e) {
        buf_free(&bytes);
        return err_set(note, e, path, "%s: no memory to write %ux%u pixels", path, width, height);
    }
    FILE *file = fopen(path, "wbe");
    int failed = !file || fwrite(bytes.data, 1, bytes.length, file) != bytes.length;
    int reason = errno;
    if (file && fclose(file) && !failed) failed = 1, reason = errno;
    buf_free(&bytes);
    if (!failed) return OK;
    return err_set(note, reason == ENOSPC ? ERR_NO_SPACE : ERR_IO, path, "%s: cannot be written: %s", path,
                   strerror(reason));
}
