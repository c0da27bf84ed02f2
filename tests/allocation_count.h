/* allocation_count: how often this program's own objects have allocated, and lack of memory for them on demand; libraries' calls go past. */
#ifndef TESTS_ALLOCATION_COUNT_H
#define TESTS_ALLOCATION_COUNT_H
#include <stddef.h>
long allocation_count(void); /* calls of malloc, calloc, realloc, aligned_alloc and mmap since the start, by any thread */
void allocation_refuse_from(size_t bytes); /* from now on a call for so many bytes or more finds no memory; SIZE_MAX: as before */
#endif
