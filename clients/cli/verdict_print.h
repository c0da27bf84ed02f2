/* verdict_print: what the gradients of a finished job said, in sentences. */
#ifndef CLIENTS_CLI_VERDICT_PRINT_H
#define CLIENTS_CLI_VERDICT_PRINT_H
#include <jansson.h>
#include <stdio.h>

/* `result`: of a job. Its verdict (README, "What the gradients say"), if there is one, after "label  "; an alarm gets a line of its own. */
void verdict_print(const json_t *result, const char *label, FILE *to);
#endif
