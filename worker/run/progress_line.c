/* progress_line: what a person at a shell sees of a run: one line that moves on a terminal, a line an epoch elsewhere. */
#include "worker/run/progress_line.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include "schema/base/clock.h"
#include "schema/base/err.h"

enum { BAR = 20 };
static const double redraw_s = 0.1;

void progress_line_start(struct progress_line *line, FILE *to)
{
    *line = (struct progress_line){.to = to, .terminal = to && isatty(fileno(to)), .told_epoch = -1};
}

void progress_duration(double seconds, char *to, size_t size)
{
    long s = isfinite(seconds) && seconds < 1e9 ? lround(seconds) : -1;
    if (s < 0)
        snprintf(to, size, "?");
    else if (s >= 3600)
        snprintf(to, size, "%ldh %02ldm", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(to, size, "%ldm %02lds", s / 60, s % 60);
    else
        snprintf(to, size, "%lds", s);
}

static void bar(int64_t done, int64_t all, char to[BAR + 1])
{
    int full = all > 0 ? (int)(done * BAR / all) : 0;
    memset(to, '-', BAR);
    memset(to, '#', (size_t)full);
    to[BAR] = '\0';
}

/* " WORD value", or nothing for NaN. */
static void add_value(char *to, size_t size, const char *word, double value)
{
    size_t at = strlen(to);
    if (!isnan(value))
        err_print(to + at, size - at, "  %s %.4g", word, value);
}

static void describe(const struct trainer_progress *p, char *to, size_t size)
{
    char bars[BAR + 1], eta[32];
    bar(p->validating ? p->steps_per_epoch : p->step_in_epoch, p->steps_per_epoch, bars);
    progress_duration(p->eta_s, eta, sizeof eta);
    err_print(to, size, "epoch %lld/%lld [%s]%s", (long long)(p->epoch < p->epochs ? p->epoch + 1 : p->epochs), (long long)p->epochs, bars, p->validating ? "  validating" : "");
    add_value(to, size, "alpha", p->alpha);
    add_value(to, size, "Dice loss", p->dice);
    add_value(to, size, "CE", p->ce);
    add_value(to, size, "val Dice", p->val_dice);
    add_value(to, size, "best", p->best_score);
    add_value(to, size, "images/s", p->images_per_s);
    size_t at = strlen(to);
    err_print(to + at, size - at, "  ETA %s", eta);
}

/* An epoch is told elsewhere than on a terminal when the next begins: step_in_epoch is 0 again. */
static void tell_epoch(struct progress_line *line, const struct trainer_progress *p)
{
    char eta[32], text[160] = "";
    if (p->validating || p->step_in_epoch != 0 || p->epoch == 0 || p->epoch == line->told_epoch)
        return;
    line->told_epoch = p->epoch;
    progress_duration(p->eta_s, eta, sizeof eta);
    add_value(text, sizeof text, "val Dice", p->val_dice);
    add_value(text, sizeof text, "best", p->best_score);
    add_value(text, sizeof text, "images/s", p->images_per_s);
    fprintf(line->to, "epoch %lld/%lld%s  ETA %s\n", (long long)p->epoch, (long long)p->epochs, text, eta);
    fflush(line->to);
}

void progress_line_show(struct progress_line *line, const struct trainer_progress *p)
{
    char text[256];
    if (!line->to)
        return;
    if (!line->terminal) {
        tell_epoch(line, p);
        return;
    }
    double now = (double)clock_mono_ms() / 1000;
    if (now - line->shown_s < redraw_s && !p->validating)
        return;
    line->shown_s = now;
    describe(p, text, sizeof text);
    fprintf(line->to, "\r%s\033[K", text);
    fflush(line->to);
}

void progress_line_say(struct progress_line *line, const char *format, ...)
{
    va_list args;
    if (!line->to)
        return;
    if (line->terminal)
        fputs("\r\033[K", line->to);
    va_start(args, format);
    vfprintf(line->to, format, args);
    va_end(args);
    fputc('\n', line->to);
    fflush(line->to);
}

void progress_line_end(struct progress_line *line)
{
    if (line->to && line->terminal)
        fputs("\r\033[K", line->to);
}
