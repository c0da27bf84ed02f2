/* verdict_print: what the gradients of a finished job said, in sentences. */
#include "clients/cli/verdict_print.h"

#include "clients/cli/render.h"

void verdict_print(const json_t *result, const char *label, FILE *to)
{
    const json_t *verdict = json_object_get(result, "verdict");
    char text[2000];
    if (!json_is_object(verdict)) return;
    fprintf(to, "%-10s %s\n", label, render_plain(json_text_at(verdict, "text"), text, sizeof text));
    if (json_is_string(json_object_get(verdict, "alarm")))
        fprintf(to, "%-10s ALARM: %s\n", label, render_plain(json_text_at(verdict, "alarm"), text, sizeof text));
}
