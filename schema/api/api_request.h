/* api_request: what of a call needs no network: its address, who is asked as whom, what a problem says, how long to wait. */
#ifndef SCHEMA_API_API_REQUEST_H
#define SCHEMA_API_API_REQUEST_H
#include <jansson.h>
#include <stdint.h>
#include "schema/api/api_call.h"

/* "http://host:8080/v1/jobs/1/artifacts/a%20b?wait=25": parameters named in the operation's path are escaped into it, the
   others (in their order, without those that are NULL) become the query. A missing path parameter is our mistake: assert.
   ERR_TOO_LARGE. */
enum { API_ADDRESS_MAX = 4096 };
enum err api_address(const char *server, enum api_op op, const struct api_param *params, char address[API_ADDRESS_MAX]) MUST_USE;
/* Server and token as api_settings says; "" where there is none. ERR_BAD_REQUEST, ERR_IO. */
enum { API_SERVER_MAX = 1024, API_TOKEN_MAX = 512 };
enum err api_who(const struct api_settings *settings, char server[API_SERVER_MAX], char token[API_TOKEN_MAX], struct err_note *note) MUST_USE;
/* The error of a reply that is not 2xx or 304: of the problem's own code, else by the status. Fills `note`. */
enum err api_problem(const struct api_reply *reply, struct err_note *note);
/* Full jitter: uniform in [0, min(30 s, 0.5 s * 2^tries)], never less than Retry-After (0: none given), which is capped at 60 s.
   `dice` is a uniform number in [0,1). */
int64_t api_backoff_ms(int tries, int64_t retry_after_s, double dice);
double api_dice(void); /* from the kernel */
#endif
