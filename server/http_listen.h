/* http_listen: the listening socket, opened by us so that its mistakes can be named. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H
#include <stdbool.h>
#include <stddef.h>
#include "schema/base/err.h"

/* `address` is numeric or "localhost"; port 0: any free one. ERR_IO with the address and the reason. */
enum err listen_on(const char *address, int port, int *fd, int *bound_port, bool *v6, struct err_note *note) MUST_USE;
#endif
