/* read_png: libpng behind one door. Its errors longjmp, so all that must be freed lives in struct job, outside the jump. */
#include "worker/data/read_png.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "worker/data/exif.h"

struct job {
    const unsigned char *bytes;
    size_t length, at;
    const char *name;
    enum image_purpose purpose;
    struct image *image;
    struct err_note *note;
    enum err result;
    char complaint[128]; /* libpng's own words */
    png_structp png;
    png_infop info;
};

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    err_print(job->complaint, sizeof job->complaint, "%s", message);
    png_longjmp(png, 1);
}

/* Warnings are about chunks that are not read (profiles, text): pixels are not touched by them. */
static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep to, size_t count)
{
    struct job *job = png_get_io_ptr(png);
    if (count > job->length - job->at) png_error(png, "the file ends too early");
    memcpy(to, job->bytes + job->at, count);
    job->at += count;
}

/* Deflate cannot shrink anything below 1/1032: a header that claims more than the file could hold is refused before any
   memory is taken for it. */
static enum err check_claim(const struct job *job, uint64_t row_bytes, uint64_t height)
{
    enum { DEFLATE_RATIO_MAX = 1032 };
    if (row_bytes * height / DEFLATE_RATIO_MAX <= job->length) return OK;
    return err_set(job->note, ERR_DATA, job->name,
                   "%s: damaged PNG: its header claims %llu bytes of pixels, too many for a file of %zu bytes", job->name,
                   (unsigned long long)(row_bytes * height), job->length);
}

/* Tells libpng how to hand the pixels over; returns through `channels` and `bits` what comes out. */
static void choose_output(const struct job *job, unsigned *channels, unsigned *bits)
{
    int type = png_get_color_type(job->png, job->info);
    *bits = png_get_bit_depth(job->png, job->info);
    *channels = png_get_channels(job->png, job->info);
    if (*bits < 8) png_set_packing(job->png); /* one value a byte, not stretched */
    if (*bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) png_set_swap(job->png);
    if (job->purpose == IMAGE_MASK) return;
    int has_key = png_get_valid(job->png, job->info, PNG_INFO_tRNS) != 0;
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_set_palette_to_rgb(job->png);
        *channels = 3;
        *bits = 8;
    }
    if (!has_key) return;
    png_set_tRNS_to_alpha(job->png); /* makes 8 bits of fewer: a picture is normalised anyway */
    *channels += 1;
    if (*bits < 8) *bits = 8;
}

static enum err check_orientation(const struct job *job)
{
    png_bytep block = NULL;
    png_uint_32 length = 0;
    if (!png_get_eXIf_1(job->png, job->info, &length, &block)) return OK;
    return exif_check(block, length, job->name, job->note);
}

static void read_rows(struct job *job, int passes)
{
    struct image *image = job->image;
    size_t row = (size_t)image->width * image->channels;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < image->height; y++)
            png_read_row(job->png, image->u8 ? image->u8 + y * row : (png_bytep)(image->u16 + y * row), NULL);
}

static enum err decode(struct job *job)
{
    png_read_info(job->png, job->info);
    uint32_t width = png_get_image_width(job->png, job->info), height = png_get_image_height(job->png, job->info);
    unsigned channels, bits;
    choose_output(job, &channels, &bits);
    enum err e = image_check_size(job->name, width, height, channels, bits, job->note);
    if (!e) e = check_claim(job, png_get_rowbytes(job->png, job->info), height);
    if (e) return e;
    int passes = png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    if (png_get_rowbytes(job->png, job->info) != (size_t)width * channels * (bits > 8 ? 2 : 1))
        png_error(job->png, "unexpected row size"); /* would write past a row: never seen */
    e = image_alloc(job->image, job->name, width, height, channels, bits, job->note);
    if (e) return e;
    read_rows(job, passes);
    png_read_end(job->png, job->info);
    e = check_orientation(job);
    if (!e && (channels == 2 || channels == 4)) e = image_drop_alpha(job->image, job->name, job->note);
    return e;
}

/* Everything between setjmp and longjmp writes only through `job`. */
static void decode_guarded(struct job *job)
{
    if (setjmp(png_jmpbuf(job->png)))
        job->result = err_set(job->note, ERR_DATA, job->name, "%s: damaged PNG: %s", job->name, job->complaint);
    else
        job->result = decode(job);
}

enum err read_png(const void *bytes, size_t length, const char *name, enum image_purpose purpose, struct image *image,
                  struct err_note *note)
{
    enum { CHUNK_BYTES_MAX = 8 << 20, CHUNKS_MAX = 256 }; /* of ancillary chunks, which are not read anyway */
    struct job job = {.bytes = bytes, .length = length, .name = name, .purpose = purpose, .image = image, .note = note};
    *image = (struct image){0};
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    if (job.png) job.info = png_create_info_struct(job.png);
    if (!job.info) {
        png_destroy_read_struct(&job.png, NULL, NULL);
        return err_set(note, ERR_NO_MEMORY, name, "%s: no memory to read it", name);
    }
    png_set_read_fn(job.png, &job, read_bytes);
    png_set_user_limits(job.png, 0x7fffffff, 0x7fffffff); /* image_check_size says it better */
    png_set_chunk_malloc_max(job.png, CHUNK_BYTES_MAX);
    png_set_chunk_cache_max(job.png, CHUNKS_MAX);
    decode_guarded(&job);
    png_destroy_read_struct(&job.png, &job.info, NULL);
    if (job.result) image_free(image);
    return job.result;
}
