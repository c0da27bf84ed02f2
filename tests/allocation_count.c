/* allocation_count: the linker sends our objects' calls of malloc and its kin here (--wrap in the Makefile); libraries' go past. */
#include "tests/allocation_count.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);

static atomic_long calls;
static atomic_size_t refused_from = SIZE_MAX;

long allocation_count(void)
{
    return calls;
}

void allocation_refuse_from(size_t bytes)
{
    refused_from = bytes;
}

/* Counts a call. True: it is to find no memory. */
static int refuses(size_t bytes)
{
    calls++;
    if (bytes < refused_from) return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t bytes)
{
    return refuses(bytes) ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return refuses(count * bytes) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return refuses(bytes) ? NULL : __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    return refuses(bytes) ? NULL : __real_aligned_alloc(alignment, bytes);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return refuses(bytes) ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}
