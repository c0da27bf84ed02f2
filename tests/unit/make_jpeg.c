/* make_jpeg: libjpeg's compressor; its errors end the test. */
#include "tests/unit/make_jpeg.h"

#include <stdio.h>

#include <jpeglib.h>

#include "tests/check.h"

void make_jpeg(uint32_t width, uint32_t height, int components, int progressive, const uint8_t *pixels, const uint8_t *exif,
               size_t exif_length, unsigned char **bytes, unsigned long *length)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    *bytes = NULL;
    *length = 0;
    jpeg_mem_dest(&jpeg, bytes, length);
    jpeg.image_width = width;
    jpeg.image_height = height;
    jpeg.input_components = components;
    jpeg.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    if (progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (exif) {
        uint8_t block[512] = "Exif\0";
        CHECK(exif_length + 6 <= sizeof block);
        memcpy(block + 6, exif, exif_length);
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, block, (unsigned)(exif_length + 6));
    }
    size_t line = (size_t)width * (size_t)components;
    uint8_t *row = malloc(line);
    CHECK(row);
    for (uint32_t y = 0; y < height; y++) {
        memcpy(row, pixels + y * line, line);
        JSAMPROW rows[1] = {row};
        CHECK(jpeg_write_scanlines(&jpeg, rows, 1) == 1);
    }
    free(row);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}
