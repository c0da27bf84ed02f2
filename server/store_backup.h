/* store_backup: a copy of the live database, made by its own connection, some pages between two batches. */
#ifndef SERVER_STORE_BACKUP_H
#define SERVER_STORE_BACKUP_H
#include "server/store.h"

/* When it has ended: bytes of the copy, which is synced and in its place. On the store thread. */
typedef void store_backup_done(void *context, enum err e, const struct err_note *note, int64_t bytes);
/* Starts copying to `path` (which must not exist). ERR_BUSY when one goes on already; ERR_IO. On the store thread, in a command's done
   or run; the copy holds what is committed when it ends. */
enum err store_backup_start(struct store_db *db, const char *path, store_backup_done *done, void *context, struct err_note *note) MUST_USE;
bool store_backup_going(const struct store_db *db);
void store_backup_step(struct store_db *db);   /* store.c alone */
void store_backup_abort(struct store_db *db);  /* store.c alone: the copy is removed, done gets ERR_CANCELLED */
#endif
