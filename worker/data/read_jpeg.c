/* read_jpeg: libjpeg-turbo behind one door. Its errors longjmp, so all that must be freed lives in struct job. */
#include "worker/data/read_jpeg.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "worker/data/exif.h"

enum { SCANS_MAX = 100 /* progressive files have about 10; each further one costs a pass over all pixels */ };

struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char complaint[JMSG_LENGTH_MAX]; /* libjpeg's own words */
    const char *name;
    struct image *image;
    struct err_note *note;
    enum err result;
};

static _Noreturn void on_error(j_common_ptr jpeg)
{
    struct job *job = jpeg->client_data;
    jpeg->err->format_message(jpeg, job->complaint);
    longjmp(job->jump, 1);
}

/* libjpeg goes on after a warning with invented pixels: stop instead. Stray bytes between markers do no harm. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA) on_error(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    struct job *job = jpeg->client_data;
    if (job->jpeg.input_scan_number <= SCANS_MAX) return;
    err_print(job->complaint, sizeof job->complaint, "more than %d scans", SCANS_MAX);
    longjmp(job->jump, 1);
}

static enum err check_orientation(const struct job *job)
{
    for (jpeg_saved_marker_ptr m = job->jpeg.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && !memcmp(m->data, "Exif\0", 6))
            return exif_check(m->data + 6, m->data_length - 6, job->name, job->note);
    return OK;
}

static enum err choose_output(struct job *job, unsigned *channels)
{
    switch (job->jpeg.jpeg_color_space) {
    case JCS_GRAYSCALE:
        job->jpeg.out_color_space = JCS_GRAYSCALE;
        *channels = 1;
        return OK;
    case JCS_RGB:
    case JCS_YCbCr:
        job->jpeg.out_color_space = JCS_RGB;
        *channels = 3;
        return OK;
    default:
        return err_set(job->note, ERR_DATA, job->name,
                       "%s: a JPEG of %d components (CMYK or unknown): store it as grey or RGB", job->name,
                       job->jpeg.num_components);
    }
}

static enum err decode(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_read_header(jpeg, TRUE);
    unsigned channels = 0;
    enum err e = choose_output(job, &channels);
    if (!e) e = check_orientation(job);
    if (!e) e = image_alloc(job->image, job->name, jpeg->image_width, jpeg->image_height, channels, 8, job->note);
    if (e) return e;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = job->image->u8 + (size_t)jpeg->output_scanline * jpeg->output_width * channels;
        jpeg_read_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_decompress(jpeg);
    return OK;
}

/* Everything between setjmp and longjmp writes only through `job`. */
static void decode_guarded(struct job *job, const unsigned char *bytes, size_t length)
{
    if (setjmp(job->jump)) {
        job->result = err_set(job->note, ERR_DATA, job->name, "%s: damaged JPEG: %s", job->name, job->complaint);
        return;
    }
    jpeg_create_decompress(&job->jpeg);
    job->jpeg.client_data = job;
    job->jpeg.mem->max_memory_to_use = (long)IMAGE_BYTES_MAX;
    job->jpeg.progress = &job->progress;
    jpeg_mem_src(&job->jpeg, bytes, length);
    jpeg_save_markers(&job->jpeg, JPEG_APP0 + 1, 0xFFFF);
    job->result = decode(job);
}

enum err read_jpeg(const void *bytes, size_t length, const char *name, struct image *image, struct err_note *note)
{
    struct job job = {.name = name, .image = image, .note = note};
    *image = (struct image){0};
    job.jpeg.err = jpeg_std_error(&job.errors);
    job.jpeg.client_data = &job;
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    job.progress.progress_monitor = on_progress;
    decode_guarded(&job, bytes, length);
    jpeg_destroy_decompress(&job.jpeg);
    if (job.result) image_free(image);
    return job.result;
}
