/* profile_table: where a run's time went, as a table to read. */
#ifndef WORKER_RUN_PROFILE_TABLE_H
#define WORKER_RUN_PROFILE_TABLE_H
#include <stdio.h>
#include "worker/net/network.h"

/* One line a kind (the percents add up to 100), then one a layer. The network must have its profile on. */
void profile_table_print(FILE *to, const struct network *net);
#endif
