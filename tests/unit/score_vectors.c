/* score_vectors: see score_vectors.h. */
#include "tests/unit/score_vectors.h"
#include "tests/check.h"

const json_t *score_vectors(const char *name, json_t **file)
{
    char path[1024];
    json_error_t error;
    snprintf(path, sizeof path, "%s/tests/vectors/scores_reference.json", check_root());
    *file = json_load_file(path, 0, &error);
    if (!*file)
        check_fail(__FILE__, __LINE__, "%s: line %d: %s", path, error.line, error.text);
    const json_t *cases = json_object_get(*file, name);
    CHECK(json_array_size(cases) > 0);
    return cases;
}

struct grid score_vector_grid(const json_t *one)
{
    struct grid g = {.spacing = {1, 1, 1}};
    const json_t *size = json_object_get(one, "size"), *spacing = json_object_get(one, "spacing");
    g.rank = (int)json_array_size(size);
    CHECK(g.rank >= 2 && g.rank <= 3);
    for (int a = 0; a < g.rank; a++) {
        g.size[a] = (uint32_t)json_integer_value(json_array_get(size, (size_t)a));
        if (spacing)
            g.spacing[a] = json_number_value(json_array_get(spacing, (size_t)a));
    }
    return g;
}

uint8_t *score_vector_map(const json_t *one, const char *key, size_t pixels)
{
    const char *text = json_string_value(json_object_get(one, key));
    CHECK(text && strlen(text) == pixels);
    uint8_t *map = malloc(pixels);
    for (size_t i = 0; i < pixels; i++)
        map[i] = text[i] == 'x' ? 255 : (uint8_t)(text[i] - '0');
    return map;
}

double score_vector_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        check_fail(__FILE__, __LINE__, "no number %s", key);
    return json_number_value(value);
}
