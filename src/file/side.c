#include "file/side.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/files.h"
#include "sys/identity.h"
#include "sys/lock.h"
#include "sys/temp.h"

/* So many writers of one target find a name by counting; more of them draw lots. */
#define SIDE_SLOTS 8
#define SIDE_TRIES (3 * SIDE_SLOTS)

/* FNV-1a: any target's name, however long, makes a name of the same length. */
static uint64_t
side_digest(const char *name)
{
    uint64_t digest = 0xcbf29ce484222325;

    for (; *name; name++) {
        digest = (digest ^ (unsigned char)*name) * 0x100000001b3;
    }
    return digest;
}

static int
side_choose(const struct target *target, int i, char ret_name[SIDE_NAME_BYTES])
{
    uint64_t number = side_digest(target->name);
    int r = 0;

    if (i >= SIDE_SLOTS) {
        r = entropy_u64(&number);
    }
    if (r == 0) {
        snprintf(ret_name, SIDE_NAME_BYTES, ".cjoblib-%016" PRIx64 "-%d.tmp", number,
                 i % SIDE_SLOTS);
    }
    return r;
}

/* Remove a file whose writer is dead: nobody holds its lock. Only who holds it removes,
 * so a name that means the locked file goes on meaning it until then. */
static void
side_sweep(int folder_fd, const char *name)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts, named;

    if (file_open(folder_fd, name, &fd) == 0 && file_facts(fd, &facts) == 0 &&
        facts.kind == FILE_REGULAR && facts.owner == identity_user() &&
        lock_take(fd) == 0 && file_facts_at(folder_fd, name, &named) == 0 &&
        file_facts_are_same(&facts, &named)) {
        (void)!file_remove(folder_fd, name);
    }
}

/* Do it under one name after the other. `way` says -EEXIST where something stands. */
static int
side_try(const struct target *target,
         int (*way)(const struct target *, const char *, int *), int *fd,
         char ret_name[SIDE_NAME_BYTES])
{
    char name[SIDE_NAME_BYTES];
    int r = -EEXIST;

    for (int i = 0; r == -EEXIST && i < SIDE_TRIES; i++) {
        r = side_choose(target, i, name);
        if (r == 0) {
            r = way(target, name, fd);
        }
        if (r == -EEXIST) {
            side_sweep(target->folder_fd, name);
            r = way(target, name, fd);
        }
    }
    if (r == 0) {
        snprintf(ret_name, SIDE_NAME_BYTES, "%s", name);
    }
    return r;
}

static int
side_link_as(const struct target *target, const char *name, int *fd)
{
    return temp_link(*fd, target->folder_fd, name);
}

int
side_link(const struct target *target, int fd, char ret_name[SIDE_NAME_BYTES])
{
    /* The lock comes first: who sees the name finds it taken. */
    int r = lock_take(fd);

    return r < 0 ? r : side_try(target, side_link_as, &fd, ret_name);
}

/* Between its making and its locking the file looks like a dead writer's. */
static int
side_lock_new(int fd)
{
    struct file_facts facts;
    int r = lock_take(fd);

    if (r == LOCK_BUSY) {
        return -EEXIST;
    }
    if (r >= 0) {
        r = file_facts(fd, &facts);
    }
    return r < 0 ? r : facts.is_unlinked ? -EEXIST : 0;
}

static int
side_create_as(const struct target *target, const char *name, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    int r = temp_open_named(target->folder_fd, name,
                            target->is_there ? TEMP_PRIVATE : TEMP_SHARED, &fd);

    if (r < 0) {
        return r;
    }
    r = side_lock_new(fd);
    if (r < 0) {
        if (r != -EEXIST) {
            (void)!file_remove(target->folder_fd, name);
        }
        return r;
    }
    *ret_fd = TAKE(fd, -1);
    return 0;
}

int
side_create(const struct target *target, int *ret_fd, char ret_name[SIDE_NAME_BYTES])
{
    return side_try(target, side_create_as, ret_fd, ret_name);
}
