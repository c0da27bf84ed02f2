/* check: what a test says. Each test_* function runs in a process and a temporary folder of its own. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the test as failed, with place and words. */
_Noreturn void check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends the test as skipped; the reason is printed and counted. */
_Noreturn void check_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Allows this test more than the usual 60 s (ten times that under sanitizers). */
void check_time_limit(unsigned seconds);
const char *check_bin(const char *program); /* path of a built program; static storage */
const char *check_root(void);               /* the repository's root; tests run in a temporary folder */
/* Folder of a real data set ("isbi2012"): under TANDEM_DATA, else ../shared/data when it is there; NULL if not found. */
const char *check_data(const char *name);

#define CHECK(x) do { if (!(x)) check_fail(__FILE__, __LINE__, "%s", #x); } while (0)
#define CHECK_INT(got, want) do { long long g_ = (long long)(got), w_ = (long long)(want); \
    if (g_ != w_) check_fail(__FILE__, __LINE__, "%s: got %lld, want %lld", #got, g_, w_); } while (0)
#define CHECK_TEXT(got, want) do { const char *g_ = (got), *w_ = (want); \
    if (!g_ || strcmp(g_, w_)) check_fail(__FILE__, __LINE__, "%s:\n  got  %s\n  want %s", #got, g_ ? g_ : "(null)", w_); } while (0)
#define CHECK_HAS(text, part) do { const char *t_ = (text), *p_ = (part); \
    if (!t_ || !strstr(t_, p_)) check_fail(__FILE__, __LINE__, "%s: lacks \"%s\" in: %s", #text, p_, t_ ? t_ : "(null)"); } while (0)
#define CHECK_NEAR(got, want, tolerance) do { double g_ = (got), w_ = (want), d_ = g_ > w_ ? g_ - w_ : w_ - g_; \
    if (!(d_ <= (tolerance))) check_fail(__FILE__, __LINE__, "%s: got %.17g, want %.17g, off by %.3g", #got, g_, w_, d_); } while (0)
#endif
