/* stream: who waits for which event: wakes long-polls and feeds event streams of a job, or of all jobs. */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H
#include <stdint.h>
#include "server/http.h"

/* A topic is a job's id or a word of the program's own ("queue": something can be claimed). Publishing happens after the
   commit, in the order of the event ids, from one thread (the store's); everything else from any thread. */
struct stream_hub;
struct stream_hub *stream_hub_new(void);
void stream_hub_free(struct stream_hub *hub); /* after http_stop; nobody may wait any more */

/* Tells everybody who follows or watches `topic`, and all who follow everything that `owner` owns. `json` is what SSE clients get. */
void stream_publish(struct stream_hub *hub, const char *topic, const char *owner, int64_t event_id, const char *kind, const char *json);
/* Wakes at most `count` watchers of a topic, oldest first, without an event: one free job, one waiting claim. */
size_t stream_wake(struct stream_hub *hub, const char *topic, size_t count);

/* ---- long-poll. No wake is lost if it is done in this order:
     stream_watch            in the handler, before the store is asked
     (the store answers)     there is news: stream_unwatch, reply, finish
                             there is none: stream_park
   A publish between watch and park makes stream_park call on_wake(HTTP_WOKEN) at once. */
struct stream_watch;
struct stream_watch *stream_watch(struct stream_hub *hub, struct http_request *r, const char *topic);
void stream_unwatch(struct stream_watch *w);
/* Takes w. on_wake comes exactly once, as with http_park (perhaps before stream_park returns), and must finish the request or
   watch again. */
void stream_park(struct stream_watch *w, int64_t timeout_ms, http_on_wake *on_wake, void *context);

/* ---- event stream (SSE). No event is lost or doubled if it is done in this order:
     stream_follow           in the handler, before the store is asked (topic NULL: all events; owner not NULL: of what it owns alone)
     (the store says no)     stream_unfollow, reply, finish
     (the store says yes)    stream_open: from here the request is gone
     loop: rows after stream_last_id from the store, oldest first: stream_row for each, stream_passed for the last one looked at
           page was full, or stream_live says no (something newer was published meanwhile): again, best after
           stream_when_drained, which is called when the socket has taken what was sent
     stream_live said yes: from now on stream_publish feeds it.
   The follower frees itself when the client leaves, overflows or the server stops; every call on it must be made while the
   caller still is between stream_follow and the `true` of stream_live. Every step says false when the stream is over: the follower is
   gone then, and must not be touched. */
struct stream_follower;
struct stream_follower *stream_follow(struct stream_hub *hub, struct http_request *r, const char *topic, const char *owner, int64_t after_id);
void stream_unfollow(struct stream_follower *f);
bool stream_open(struct stream_follower *f); /* false: quota; 429 was answered, f is gone */
int64_t stream_last_id(const struct stream_follower *f);
const char *stream_owner(const struct stream_follower *f); /* as given to stream_follow; lives as long as f */
bool stream_row(struct stream_follower *f, int64_t event_id, const char *kind, const char *json);
/* Up to here everything was looked at: what was not sent was not for this client. */
void stream_passed(struct stream_follower *f, int64_t event_id);
void stream_when_drained(struct stream_follower *f, void (*then)(struct stream_follower *f, void *context), void *context);
enum stream_step { STREAM_LIVE, STREAM_BEHIND, STREAM_OVER };
enum stream_step stream_live(struct stream_follower *f);
/* The `after` of a request: Last-Event-ID, else ?after=, else `absent`. ERR_BAD_REQUEST with a note. */
enum err stream_after_id(const struct http_request *r, int64_t absent, int64_t *after, struct err_note *note) MUST_USE;
#endif
