/* uuid: ids of jobs and workers (UUIDv7: sorted by birth), and random secrets. */
#ifndef SCHEMA_BASE_UUID_H
#define SCHEMA_BASE_UUID_H
#include <stddef.h>
enum { UUID_TEXT = 37 /* 36 characters and the NUL */ };
void uuid_new(char text[UUID_TEXT]);
int uuid_is(const char *text); /* 8-4-4-4-12 lower-case hex digits */
/* `bytes` random bytes from the kernel as 2*bytes hex digits and a NUL. Aborts if the kernel gives none. */
void random_hex(char *to, size_t bytes);
#endif
