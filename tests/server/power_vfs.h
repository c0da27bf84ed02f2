/* power_vfs: a disk for SQLite that loses power: unsynced writes are dropped, reordered or torn at a chosen operation. */
#ifndef TESTS_SERVER_POWER_VFS_H
#define TESTS_SERVER_POWER_VFS_H

enum { POWER_EXIT = 7 }; /* of the process whose disk lost power */
/* Registers the VFS "power". At operation number `cut_at` (writes, truncations, syncs, deletions; 0 = never) the disk keeps what
   was synced and, by `seed`, none, some, or torn pieces (512 bytes) of what was not, and the process ends. */
void power_vfs_register(long cut_at, unsigned seed);
/* Starts counting and remembering. Unarmed it is a disk that never loses anything and never waits for a sync. */
void power_vfs_arm(void);
/* At the chosen operation the power stays on, but that one operation fails with an I/O error. */
void power_vfs_fail_instead(void);
long power_vfs_operations(void);
#endif
