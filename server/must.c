/* must: calloc, realloc and strdup that do not return NULL. */
#include "server/must.h"

#include <stdlib.h>
#include <string.h>
#include "schema/base/log.h"

static void *or_end(void *p, size_t size)
{
    if (p) return p;
    log_error("memory.none", "bytes=%zu", size);
    abort();
}

void *must_calloc(size_t count, size_t size)
{
    return or_end(calloc(count ? count : 1, size ? size : 1), count * size);
}

void *must_realloc(void *old, size_t size)
{
    return or_end(realloc(old, size ? size : 1), size);
}

char *must_strdup(const char *text)
{
    return text ? or_end(strdup(text), strlen(text)) : NULL;
}
