/* desk: a thread for what takes longer than a request or the store may wait: reports. One task after the other. */
#ifndef SERVER_DESK_H
#define SERVER_DESK_H
#include <stdbool.h>

struct desk;
struct desk *desk_start(void);
/* Runs work(context) on the desk's thread, some time later. False when too many wait or the desk has stopped: nothing will come. Any thread. */
bool desk_post(struct desk *desk, void (*work)(void *context), void *context);
/* What was posted is done, then the thread ends. Work may ask the store, so the store must still be there, and it may still post: that is
   refused. NULL is fine. */
void desk_stop(struct desk *desk);
void desk_free(struct desk *desk); /* after desk_stop, when nobody can post any more; NULL is fine */
#endif
