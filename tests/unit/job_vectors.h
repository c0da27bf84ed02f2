/* job_vectors: walks tests/vectors/job_spec and writes notes the way its error.txt files hold them. */
#ifndef TESTS_UNIT_JOB_VECTORS_H
#define TESTS_UNIT_JOB_VECTORS_H
#include <jansson.h>
#include <stdbool.h>
#include "schema/base/err.h"

/* Calls `each` with the name and text of every .json of a folder of the repository; returns how many. */
int each_vector(const char *folder, void (*each)(const char *name, const char *text));
/* Reads every invalid/<case>/job.json and holds its refusals against error.txt; marks the codes met in `seen`[ERR_COUNT] (may be
   NULL); returns how many. With TANDEM_WRITE_VECTORS set it writes error.txt instead: read the difference before keeping it. */
int each_refused_vector(bool *seen);
/* Reads every remarked/<case>/job.json and holds its remarks ("word pointer: detail", a line each) against remarks.txt; each word
   becomes a key of `met`. TANDEM_WRITE_VECTORS as above. */
int each_remarked_vector(json_t *met);
/* One line a note: "code pointer: detail; found F; allowed A; nearest N". The caller frees. */
char *vector_notes(const struct err_list *errors);
#endif
