/* log: builds each line whole and writes it with one call, so that lines of several threads never mix. */
#include "schema/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static enum log_level lowest_level = LOG_LEVEL_INFO;
static const char *program = "tandem";

void log_set_level(enum log_level lowest)
{
    lowest_level = lowest;
}

void log_set_program(const char *name)
{
    program = name;
}

/* A log line is one line: bytes below space and DEL become \xNN. */
static size_t escape(char *to, size_t size, const char *from)
{
    size_t n = 0;
    for (; *from && n + 5 < size; from++) {
        unsigned char c = (unsigned char)*from;
        if (c >= 32 && c != 127)
            to[n++] = (char)c;
        else
            n += (size_t)snprintf(to + n, size - n, "\\x%02x", c);
    }
    to[n] = 0;
    return n;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (level < lowest_level) return;
    char text[1536], line[4096];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) < 0) text[0] = 0;
    va_end(args);
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(line + n, sizeof line - n, ".%03ldZ %s %s %s ", now.tv_nsec / 1000000, names[level], program, event);
    n += escape(line + n, sizeof line - n - 1, text);
    line[n++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written; /* a closed stderr must not stop the program */
}
