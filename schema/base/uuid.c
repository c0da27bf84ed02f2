/* uuid: RFC 9562 version 7: 48 bits of milliseconds, 12 bits of a counter within them, 62 random bits. */
#include "schema/base/uuid.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "schema/base/clock.h"

static void fill(unsigned char *to, size_t length)
{
    while (length) {
        ssize_t n = getrandom(to, length, 0);
        if (n < 0) abort(); /* no randomness: no ids, no secrets */
        to += n;
        length -= (size_t)n;
    }
}

/* Never the same (ms, counter) twice in one process, and never smaller than the last. */
static void tick(uint64_t *ms, unsigned *counter)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static uint64_t last_ms;
    static unsigned last_counter;
    pthread_mutex_lock(&mutex);
    uint64_t now = (uint64_t)clock_wall_ms();
    if (now > last_ms) {
        last_ms = now;
        last_counter = 0;
    } else if (++last_counter > 0xFFF) {
        last_ms++;
        last_counter = 0;
    }
    *ms = last_ms;
    *counter = last_counter;
    pthread_mutex_unlock(&mutex);
}

/* The lowest `digits` hex digits of `value`. Every request has an id or two, and printf is slow. */
static char *write_hex(char *to, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 4) to[i] = "0123456789abcdef"[value & 15];
    return to + digits;
}

void uuid_new(char text[UUID_TEXT])
{
    uint64_t r, ms;
    unsigned counter;
    fill((unsigned char *)&r, sizeof r);
    tick(&ms, &counter);
    const struct {
        uint64_t value;
        int digits;
    } groups[] = {{ms >> 16, 8}, {ms & 0xFFFF, 4}, {0x7000 | counter, 4}, {0x8000 | (r >> 50), 4}, {r & 0xFFFFFFFFFFFF, 12}};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        text = write_hex(text, groups[i].value, groups[i].digits);
        *text++ = i + 1 < sizeof groups / sizeof *groups ? '-' : '\0';
    }
}

int uuid_is(const char *text)
{
    if (strlen(text) != UUID_TEXT - 1) return 0;
    for (int i = 0; i < UUID_TEXT - 1; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i])) return 0;
    }
    return 1;
}

void random_hex(char *to, size_t bytes)
{
    unsigned char block[64];
    while (bytes) {
        size_t n = bytes < sizeof block ? bytes : sizeof block;
        fill(block, n);
        for (size_t i = 0; i < n; i++) to = write_hex(to, block[i], 2);
        bytes -= n;
    }
    *to = 0;
}
