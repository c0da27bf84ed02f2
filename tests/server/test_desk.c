/* test_desk: what was posted is done before the desk stops, also what posts itself again; behind that it takes nothing. */
#include <stdatomic.h>
#include "server/desk.h"
#include "tests/check.h"

struct pile {
    struct desk *desk;
    atomic_int done, refused;
    int again; /* the desk's own: how often a task posts the next */
};

static void count(void *context)
{
    atomic_fetch_add(&((struct pile *)context)->done, 1);
}

static void count_and_post(void *context)
{
    struct pile *p = context;
    atomic_fetch_add(&p->done, 1);
    if (p->again-- > 0 && !desk_post(p->desk, count_and_post, p)) atomic_fetch_add(&p->refused, 1);
}

void test_desk_does_what_was_posted_before_it_stops_and_takes_nothing_after(void)
{
    struct pile p = {.desk = desk_start(), .again = 1 << 30}; /* as a report that asks for page after page: it would never end */
    CHECK(desk_post(p.desk, count_and_post, &p));
    for (int i = 0; i < 20; i++) CHECK(desk_post(p.desk, count, &p));
    desk_stop(p.desk);
    CHECK(atomic_load(&p.done) >= 21);
    CHECK_INT(atomic_load(&p.refused), 1);
    CHECK(!desk_post(p.desk, count, &p));
    desk_free(p.desk);
}
