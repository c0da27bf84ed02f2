/* score_print: the scores of a finished job as a table: one row for the foreground, one a class. */
#ifndef CLIENTS_CLI_SCORE_PRINT_H
#define CLIENTS_CLI_SCORE_PRINT_H
#include <jansson.h>
#include <stdio.h>

/* `scores`: of a job's result (README, "Scores"). Prints nothing when it is no object. */
void score_print(const json_t *scores, FILE *to);
#endif
