#include "store/place.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/names.h"
#include "sys/descriptor.h"
#include "sys/files.h"
#include "sys/folder.h"

bool
place_is_foreign(int error)
{
    return error == -ELOOP || error == -EPERM || error == -ENOTDIR;
}

int
place_enter(const struct cj_store *store, int parent_fd, const char *name, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = folder_open(parent_fd, name, &fd);

    if (r == 0) {
        r = file_facts(fd, &facts);
    }
    if (r < 0) {
        return r;
    }
    if (facts.owner != store->owner || facts.is_open_to_all) {
        return -EPERM;
    }
    /* A folder can still be opened for a moment while it is being removed. Who makes it
     * must not go round in that moment: making it waits until the other is through. */
    if (facts.is_unlinked) {
        return -ENOENT;
    }
    *ret_fd = TAKE(fd, -1);
    return 0;
}

/* -ENOENT though it is to be made: the parent is gone, or the folder is again. */
static int
place_enter_or_make(const struct cj_store *store, int parent_fd, const char *name,
                    bool make, int *ret_fd)
{
    int r = place_enter(store, parent_fd, name, ret_fd);

    if (r != -ENOENT || !make) {
        return r;
    }
    r = folder_make(parent_fd, name);
    return r < 0 ? r : place_enter(store, parent_fd, name, ret_fd);
}

/* Take the first component off a path. */
static void
place_next_name(const char **path, char ret_name[NAME_MAX_BYTES + 1])
{
    size_t n = strcspn(*path, "/");

    memcpy(ret_name, *path, n);
    ret_name[n] = '\0';
    *path += n + ((*path)[n] == '/');
}

static int
place_open_once(const struct cj_store *store, const char *path, bool make, int *ret_fd)
{
    AUTO(close_p) int fd = -1;
    char name[NAME_MAX_BYTES + 1] = PLACE_ROOT;
    int below_fd = -1;
    int r = make ? folder_make_path(store->location) : 0;

    if (r == 0 && make && store->durable) {
        r = folder_sync_path(store->location);
    }
    if (r == 0) {
        r = folder_open_path(store->location, &fd);
    }
    while (r == 0) {
        r = place_enter_or_make(store, fd, name, make, &below_fd);
        if (r < 0) {
            break;
        }
        if (make && store->durable) {
            /* Also when it stood there: who made it may not have cared. */
            r = folder_sync(fd);
        }
        descriptor_close(fd);
        fd = below_fd;
        if (r == 0 && !*path) {
            *ret_fd = TAKE(fd, -1);
            break;
        }
        place_next_name(&path, name);
    }
    return r;
}

int
place_open(const struct cj_store *store, const char *path, bool make, int *ret_fd)
{
    int r = -ENOENT;

    for (int i = 0; r == -ENOENT && i < (make ? PLACE_TRIES : 1); i++) {
        r = place_open_once(store, path, make, ret_fd);
    }
    return r;
}

bool
place_is_own(const char *name)
{
    return strcmp(name, PLACE_IGNORE) == 0 || strcmp(name, PLACE_LEASES) == 0 ||
           strcmp(name, PLACE_USAGE) == 0;
}
