/* json_add: the few JSON texts that are put together without a tree. */
#include "server/json_add.h"

#include <math.h>
#include <string.h>
#include "schema/base/json_text.h"

static enum err add_escaped(struct buf *b, unsigned char c)
{
    static const char plain[] = "\"\\/bfnrt", from[] = "\"\\/\b\f\n\r\t";
    const char *at = memchr(from, c, sizeof from - 1);
    return at ? buf_printf(b, "\\%c", plain[at - from]) : buf_printf(b, "\\u%04x", c);
}

enum err json_add_text(struct buf *b, const char *text)
{
    if (!text) return buf_text(b, "null");
    enum err e = buf_text(b, "\"");
    while (*text && !e) {
        size_t n = 0;
        while ((unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\') n++;
        e = buf_add(b, text, n);
        text += n;
        if (*text && !e) e = add_escaped(b, (unsigned char)*text++);
    }
    return e ? e : buf_text(b, "\"");
}

enum err json_add_int(struct buf *b, int64_t value)
{
    return buf_printf(b, "%lld", (long long)value);
}

enum err json_add_value(struct buf *b, double value)
{
    char number[32];
    if (isnan(value)) return buf_text(b, "\"NaN\"");
    if (isinf(value)) return buf_text(b, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    json_text_number(value, 0, number);
    return buf_text(b, number);
}
