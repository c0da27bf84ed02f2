/* allocation_count: how often this program's own objects have allocated; what shared libraries do inside is not counted. */
#ifndef TESTS_ALLOCATION_COUNT_H
#define TESTS_ALLOCATION_COUNT_H
long allocation_count(void); /* calls of malloc, calloc, realloc, aligned_alloc and mmap since the start, by any thread */
#endif
