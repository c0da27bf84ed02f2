/* test_export: model.safetensors is what the format's specification says, byte by byte. */
#include <jansson.h>
#include <stdint.h>
#include "tests/check.h"
#include "worker/train/export.h"

void test_export_writes_safetensors_that_the_format_describes(void)
{
    const struct network_parameter table[] = {
        {.name = "encoder.0.conv.0.weight", .rank = 4, .dims = {2, 1, 3, 3}, .offset = 0, .count = 18},
        {.name = "head.bias", .rank = 1, .dims = {1}, .offset = 18, .count = 1},
    };
    const char *const metadata[] = {"tandem", "1", NULL};
    float w[19], back[19];
    char sum[SHA256_HEX], file_sum[SHA256_HEX], header[4096] = "";
    for (int i = 0; i < 19; i++)
        w[i] = (float)i * 0.25f;
    CHECK_INT(export_safetensors("m", table, 2, w, metadata, sum, NULL), OK);
    CHECK_INT(sha256_hex_of_file("m", file_sum, NULL), OK);
    CHECK_TEXT(sum, file_sum);
    uint64_t length;
    FILE *f = fopen("m", "rb");
    CHECK(f && fread(&length, 8, 1, f) == 1 && length < sizeof header && length % 8 == 0);
    CHECK(fread(header, 1, length, f) == length && header[0] == '{');
    CHECK(fread(back, sizeof(float), 19, f) == 19 && fgetc(f) == EOF);
    fclose(f);
    CHECK(!memcmp(w, back, sizeof w));
    json_t *j = json_loads(header, JSON_REJECT_DUPLICATES, NULL), *t = json_object_get(j, "head.bias");
    CHECK_TEXT(json_string_value(json_object_get(t, "dtype")), "F32");
    CHECK_INT(json_integer_value(json_array_get(json_object_get(t, "data_offsets"), 0)), 72);
    CHECK_INT(json_integer_value(json_array_get(json_object_get(t, "data_offsets"), 1)), 76);
    CHECK_INT(json_array_size(json_object_get(json_object_get(j, "encoder.0.conv.0.weight"), "shape")), 4);
    CHECK_TEXT(json_string_value(json_object_get(json_object_get(j, "__metadata__"), "format")), "pt");
    json_decref(j);
}
