/* must: small allocations of our own sizes; without memory for them the program ends. Sizes that strangers chose do not belong here. */
#ifndef SERVER_MUST_H
#define SERVER_MUST_H
#include <stddef.h>

void *must_calloc(size_t count, size_t size); /* zeroed */
void *must_realloc(void *old, size_t size);
char *must_strdup(const char *text); /* NULL stays NULL */
#endif
