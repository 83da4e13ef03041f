#include "store/draft.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "store/place.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/entropy.h"
#include "sys/files.h"
#include "sys/lock.h"
#include "sys/temp.h"

/* Where the file system has no locks, a draft nobody wrote to for so long is dead. */
#define DRAFT_MAX_AGE_NS ((int64_t)24 * 3600 * 1000000000)

/* Names are 64 random bits: the second try is never needed by chance. */
#define DRAFT_TRIES 16

static int
draft_choose_name(char ret_name[DRAFT_NAME_BYTES])
{
    uint64_t number;
    int r = entropy_u64(&number);

    if (r == 0) {
        snprintf(ret_name, DRAFT_NAME_BYTES, "draft-%016" PRIx64, number);
    }
    return r;
}

/* The name is no longer the draft's, or there is none to take back. */
static void
draft_forget_name(struct draft *draft)
{
    draft->name[0] = '\0';
}

static void
draft_remove_name(struct draft *draft)
{
    if (draft->name[0]) {
        /* What can't be removed now, a sweep will find dead. */
        (void)!file_remove(draft->temps_fd, draft->name);
        draft_forget_name(draft);
    }
}

static int
draft_open_temps(struct draft *draft)
{
    return draft->temps_fd >= 0
               ? 0
               : place_open(draft->store, PLACE_TEMPS, true, &draft->temps_fd);
}

/* Put the nameless file under a new name. Its lock is taken before it can be seen. */
static int
draft_link(struct draft *draft)
{
    char name[DRAFT_NAME_BYTES];
    int r = draft_choose_name(name);

    if (r == 0) {
        r = temp_link(draft->fd, draft->temps_fd, name);
    }
    if (r == 0) {
        snprintf(draft->name, sizeof(draft->name), "%s", name);
    }
    return r;
}

/* Make a file under a new name. Somebody who sweeps may look at it before it is locked:
 * then LOCK_BUSY, and the file is let go; or removes it: then publishing fails with
 * -ENOENT. */
static int
draft_create(struct draft *draft)
{
    int r = draft_choose_name(draft->name);

    if (r == 0) {
        r = temp_open_named(draft->temps_fd, draft->name, TEMP_PRIVATE, &draft->fd);
    }
    if (r < 0) {
        draft_forget_name(draft);
        return r;
    }
    r = lock_take(draft->fd);
    if (r == LOCK_BUSY) {
        draft_remove_name(draft);
        descriptor_close(TAKE(draft->fd, -1));
        return -EEXIST;
    }
    return r == LOCK_UNSUPPORTED ? 0 : r;
}

/* Give the draft a name in PLACE_TEMPS, in one of the two ways. */
static int
draft_name(struct draft *draft, int (*way)(struct draft *draft))
{
    int r = -EEXIST;

    for (int i = 0; r == -EEXIST && i < DRAFT_TRIES; i++) {
        r = draft_open_temps(draft);
        if (r == 0) {
            r = way(draft);
        }
    }
    return r;
}

int
draft_open(struct draft *draft, const struct cj_store *store, int folder_fd, bool named)
{
    int r = -EOPNOTSUPP;

    draft->store = store;
    if (!named) {
        r = temp_open_nameless(folder_fd, TEMP_PRIVATE, &draft->fd);
    }
    return r == -EOPNOTSUPP ? draft_name(draft, draft_create) : r;
}

int
draft_publish(struct draft *draft, int folder_fd, const char *name)
{
    int r;

    if (!draft->name[0]) {
        r = temp_link(draft->fd, folder_fd, name);
        if (r != -EEXIST) {
            return r;
        }
        r = lock_take(draft->fd);
        if (r >= 0) {
            r = draft_name(draft, draft_link);
        }
        if (r < 0) {
            return r;
        }
    }
    r = file_rename(draft->temps_fd, draft->name, folder_fd, name);
    if (r == 0) {
        draft_forget_name(draft);
    }
    return r;
}

void
draft_done(struct draft *draft)
{
    draft_remove_name(draft);
    descriptor_close(draft->fd);
    descriptor_close(draft->temps_fd);
    *draft = (struct draft)DRAFT_INIT;
}

int
draft_judge(const struct cj_store *store, int temps_fd, const char *name)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = file_open(temps_fd, name, &fd);

    if (r == 0) {
        r = file_facts(fd, &facts);
    }
    if (r < 0) {
        return r;
    }
    if (facts.kind != FILE_REGULAR || facts.owner != store->owner) {
        return -EPERM;
    }
    r = lock_share(fd);
    if (r == LOCK_UNSUPPORTED) {
        r = clock_wall_ns() - facts.written_ns > DRAFT_MAX_AGE_NS ? 0 : LOCK_BUSY;
    }
    if (r < 0) {
        return r;
    }
    return r == LOCK_BUSY ? DRAFT_ALIVE : DRAFT_DEAD;
}
