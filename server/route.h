/* route: the only dispatch: which function serves an operation of api.tbl, for whom, with how large a body. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H
#include "server/http.h"

/* The table for http_start. Static storage; the same every time. */
const struct http_routes *route_table(void);
#endif
