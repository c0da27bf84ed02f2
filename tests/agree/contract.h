/* contract: openapi.json as the program carries it, and every reply that a test saw held against it. */
#ifndef TESTS_AGREE_CONTRACT_H
#define TESTS_AGREE_CONTRACT_H
#include <jansson.h>

json_t *contract_load(void); /* new reference; fails the test when it does not parse */
const json_t *contract_schema(const json_t *openapi, const char *name); /* of components/schemas; fails the test when absent */

/* A reply fits its operation: the status is one that the operation names (or its default, for refusals), the content type
   is one of that response's, and a JSON body fits the schema and has no digit too many. Counts the operation as seen. Fails the
   test otherwise. */
struct contract_reply {
    const char *method, *path; /* path with its values, without the query */
    int status;
    const char *type; /* Content-Type, "" when there is none */
    const char *body;
    size_t length;
};
void contract_check(const struct contract_reply *reply);
/* Fails the test, naming them, when operations have not been seen by contract_check in this process. */
void contract_check_all_seen(void);
#endif
