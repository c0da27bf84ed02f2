/* backend_list: which backends this program was built with and this machine can run. */
#ifndef WORKER_NET_BACKEND_LIST_H
#define WORKER_NET_BACKEND_LIST_H
#include "worker/net/backend.h"

/* name NULL: the first of the list that the machine has. ERR_WORD_UNKNOWN with the names that are possible here. */
enum err backend_find(const char *name, struct backend *out, struct err_note *note) MUST_USE;
/* The library that convolutions come from, with its version: "oneDNN 2.6.3"; "none". */
const char *backend_library(void);
#endif
