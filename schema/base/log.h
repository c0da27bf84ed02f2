/* log: one line per event on stderr: time level event key=value ...; control bytes escaped, secrets never given to it. */
#ifndef SCHEMA_BASE_LOG_H
#define SCHEMA_BASE_LOG_H
#include "schema/base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level lowest);
void log_set_program(const char *name); /* keeps the pointer */
/* log_line(LOG_LEVEL_INFO, "job.claimed", "job=%s attempt=%d", id, n) */
void log_line(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
#define log_info(event, ...) log_line(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_line(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_debug(event, ...) log_line(LOG_LEVEL_DEBUG, event, __VA_ARGS__)
#endif
