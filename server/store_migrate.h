/* store_migrate: brings a database to the newest numbered step of schema/sql, forward only. */
#ifndef SERVER_STORE_MIGRATE_H
#define SERVER_STORE_MIGRATE_H
#include "server/store_db.h"

/* Applies the steps above user_version in order, each in a transaction of its own. ERR_UPGRADE when the database is of a newer program. */
enum err store_migrate(struct store_db *db, struct err_note *note) MUST_USE;
int store_version(struct store_db *db);   /* user_version */
int store_version_newest(void);           /* of this program */
#endif
