/* arena: planning and taking the one piece of memory of a network. */
#include "worker/net/arena.h"

#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

size_t arena_round(size_t bytes)
{
    return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

size_t arena_place(struct arena_plan *plan, size_t count, size_t bytes)
{
    size_t offset = plan->bytes, all, end;
    if (bytes > SIZE_MAX / 2 || __builtin_mul_overflow(arena_round(bytes), count, &all) ||
        __builtin_add_overflow(offset, all, &end) || end > SIZE_MAX / 2) {
        plan->overflow = true;
        return 0;
    }
    plan->bytes = end;
    return offset;
}

static bool overlap(const struct arena_span *a, const struct arena_span *b)
{
    return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* The lowest offset is 0 or just behind a span already placed: each time something is in the way, move behind it. */
static void place_span(struct arena_span *spans, int which)
{
    struct arena_span *span = &spans[which];
    span->bytes = arena_round(span->bytes);
    span->offset = 0;
    for (int i = 0; i < which; i++)
        if (span->bytes && overlap(span, &spans[i])) {
            span->offset = spans[i].offset + spans[i].bytes;
            i = -1;
        }
}

size_t arena_pack(struct arena_span *spans, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        assert(spans[i].first <= spans[i].last);
        place_span(spans, i);
        if (spans[i].offset + spans[i].bytes > bytes) bytes = spans[i].offset + spans[i].bytes;
    }
    return bytes;
}

enum err arena_new(const struct arena_plan *plan, struct arena *a, struct err_note *note)
{
    *a = (struct arena){0};
    void *base = MAP_FAILED;
    if (!plan->overflow && plan->bytes)
        base = mmap(NULL, plan->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return err_set(note, ERR_NO_MEMORY, "", "the network needs %zu MiB of memory and the machine does not give it%s", plan->bytes >> 20,
                       plan->overflow ? " (more than can be counted)" : "");
    madvise(base, plan->bytes, MADV_HUGEPAGE); /* fewer page faults and TLB misses; a kernel without it is only slower */
    *a = (struct arena){base, plan->bytes};
    return OK;
}

void arena_free(struct arena *a)
{
    if (a->base) munmap(a->base, a->bytes);
    *a = (struct arena){0};
}
