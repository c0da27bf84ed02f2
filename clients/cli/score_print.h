/* score_print: the scores of a finished job as a table: one row for the foreground, one a class; and those of single images. */
#ifndef CLIENTS_CLI_SCORE_PRINT_H
#define CLIENTS_CLI_SCORE_PRINT_H
#include <jansson.h>
#include <stdio.h>
#include "clients/cli/render.h"

/* `scores`: of a job's result (README, "Scores"). Prints nothing when it is no object. */
void score_print(const json_t *scores, FILE *to);
/* `reply`: of GET /v1/jobs/{id}/images: a row an image, and one for each foreground class of it. */
void score_print_images(const json_t *reply, enum output output, FILE *to);
#endif
