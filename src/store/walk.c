#include "store/walk.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/names.h"
#include "store/place.h"
#include "sys/descriptor.h"
#include "sys/folder.h"

/* The root, the components, a version, an entry; each with a '/' or the end. */
#define WALK_PATH_BYTES \
    (sizeof(PLACE_ROOT) + NAME_MAX_DEPTH * (NAME_MAX_BYTES + 1) + 2 * NAME_KEY_BYTES)

struct walk {
    const struct cj_store *store;
    const struct walk_visitor *visitor;
    bool versions_only;   /* below the start, other folders are not looked at */
    int depth;            /* components in `path` */
    struct entry_key key; /* of the version that is walked through */
    size_t n_path;
    char path[WALK_PATH_BYTES];
};

/* What to do with one name of a folder. */
typedef int (*walk_step)(struct walk *walk, int folder_fd, const char *name);

static int
walk_foreign(const struct walk *walk)
{
    return walk->visitor->foreign ? walk->visitor->foreign(walk->visitor->context) : 0;
}

int
walk_gone(int r)
{
    return r == -ENOENT ? 0 : r;
}

/* Do `step` with each name of a folder, which is closed then. */
static int
walk_names(struct walk *walk, int folder_fd, walk_step step)
{
    AUTO(folder_list_close_p) struct folder_list *list = NULL;
    const char *name;
    int r = folder_list_open(folder_fd, &list);

    while (r == 0) {
        r = folder_list_next(list, &name);
        if (r < 0 || !name) {
            break;
        }
        r = step(walk, folder_list_fd(list), name);
    }
    return r;
}

/* Add a name to the path; what to set the path back to. */
static size_t
walk_push(struct walk *walk, const char *name)
{
    size_t before = walk->n_path, n = strlen(name);

    walk->path[before] = '/';
    memcpy(walk->path + before + 1, name, n + 1);
    walk->n_path = before + 1 + n;
    return before;
}

static void
walk_pop(struct walk *walk, size_t before)
{
    walk->n_path = before;
    walk->path[before] = '\0';
}

/* Do `step` with each name of the folder `name` inside another, then leave it. */
static int
walk_into(struct walk *walk, int parent_fd, const char *name, walk_step step)
{
    int fd = -1;
    int r = place_enter(walk->store, parent_fd, name, &fd);
    size_t before;

    if (place_is_foreign(r) || r == -EACCES) {
        return walk_foreign(walk);
    }
    if (r < 0) {
        return walk_gone(r);
    }
    before = walk_push(walk, name);
    r = walk_names(walk, fd, step);
    walk_pop(walk, before);
    if (r == 0 && walk->visitor->leave) {
        r = walk->visitor->leave(walk->visitor->context, parent_fd, name);
    }
    return r;
}

static int
walk_in_version(struct walk *walk, int folder_fd, const char *name)
{
    const struct walk_visitor *visitor = walk->visitor;
    struct walk_entry entry = {folder_fd, name, walk->path, walk->key};
    bool is_note = strcmp(name, PLACE_NOTE) == 0;
    int (*visit)(void *, const struct walk_entry *) =
        is_note ? visitor->note : visitor->entry;
    size_t before;
    int r;

    if (!is_note && !name_to_key(name, entry.key.arguments)) {
        return walk_foreign(walk);
    }
    if (!visit) {
        return 0;
    }
    before = walk_push(walk, name);
    r = visit(visitor->context, &entry);
    walk_pop(walk, before);
    return r;
}

/* A version of the function that `path` leads to. */
static int
walk_into_version(struct walk *walk, int folder_fd, const char *name)
{
    const struct walk_visitor *visitor = walk->visitor;
    struct walk_entry version = {folder_fd, name, walk->path, walk->key};
    bool enter = !visitor->version;
    size_t before;
    int r = 0;

    /* Names in the root have no function above them. */
    entry_function_digest(walk->path + sizeof(PLACE_ROOT),
                          walk->n_path - sizeof(PLACE_ROOT), version.key.function);
    (void)name_to_key(name, version.key.version);
    if (visitor->version) {
        before = walk_push(walk, name);
        r = visitor->version(visitor->context, &version, &enter);
        walk_pop(walk, before);
    }
    if (r != 0 || !enter) {
        return r;
    }
    walk->key = version.key;
    return walk_into(walk, folder_fd, name, walk_in_version);
}

static int
walk_in_function(struct walk *walk, int folder_fd, const char *name)
{
    uint8_t version[CJ_KEY_BYTES];
    int r;

    if (name_to_key(name, version)) {
        return walk_into_version(walk, folder_fd, name);
    }
    if (walk->versions_only) {
        return 0;
    }
    if (walk->depth == NAME_MAX_DEPTH || !name_is_escaped(name)) {
        return walk_foreign(walk);
    }
    walk->depth++;
    r = walk_into(walk, folder_fd, name, walk_in_function);
    walk->depth--;
    return r;
}

static int
walk_in_temps(struct walk *walk, int folder_fd, const char *name)
{
    return walk->visitor->temp
               ? walk->visitor->temp(walk->visitor->context, folder_fd, name)
               : 0;
}

static int
walk_in_root(struct walk *walk, int folder_fd, const char *name)
{
    uint8_t version[CJ_KEY_BYTES];

    if (place_is_own(name)) {
        return walk->visitor->own
                   ? walk->visitor->own(walk->visitor->context, folder_fd, name)
                   : 0;
    }
    if (strcmp(name, PLACE_TEMPS) == 0) {
        return walk_into(walk, folder_fd, name, walk_in_temps);
    }
    /* A version of no function. */
    if (name_to_key(name, version)) {
        return walk_foreign(walk);
    }
    return walk_in_function(walk, folder_fd, name);
}

static int
walk_from(struct walk *walk, const char *path, walk_step step)
{
    int fd;
    int r = place_open(walk->store, path, false, &fd);

    return r < 0 ? walk_gone(r) : walk_names(walk, fd, step);
}

int
walk_store(const struct cj_store *store, const struct walk_visitor *visitor)
{
    struct walk walk = {.store = store, .visitor = visitor, .path = PLACE_ROOT};

    walk.n_path = strlen(walk.path);
    return walk_from(&walk, "", walk_in_root);
}

int
walk_function(const struct cj_store *store, const char *path,
              const struct walk_visitor *visitor)
{
    struct walk walk = {
        .store = store, .visitor = visitor, .versions_only = true, .path = PLACE_ROOT};

    walk.n_path = strlen(walk.path);
    (void)walk_push(&walk, path);
    return walk_from(&walk, path, walk_in_function);
}

/* PLACE_ROOT, at least one component of a function, a version. */
static bool
walk_path_is_version(const char *path)
{
    uint8_t version[CJ_KEY_BYTES];
    char name[NAME_MAX_BYTES + 1];
    size_t n;

    if (strncmp(path, PLACE_ROOT "/", sizeof(PLACE_ROOT)) != 0) {
        return false;
    }
    path += sizeof(PLACE_ROOT);
    for (int depth = 0;; depth++) {
        n = strcspn(path, "/");
        if (n > NAME_MAX_BYTES) {
            return false;
        }
        memcpy(name, path, n);
        name[n] = '\0';
        if (!path[n]) {
            return depth > 0 && name_to_key(name, version);
        }
        if (!name_is_escaped(name)) {
            return false;
        }
        path += n + 1;
    }
}

int
walk_version(const struct cj_store *store, const char *path,
             const struct walk_visitor *visitor)
{
    struct walk walk = {.store = store, .visitor = visitor};
    const char *name = strrchr(path, '/');
    size_t n = strlen(path);

    if (n + NAME_KEY_BYTES >= sizeof(walk.path) || !walk_path_is_version(path)) {
        return 0;
    }
    (void)name_to_key(name + 1, walk.key.version);
    memcpy(walk.path, path, n + 1);
    walk.n_path = n;
    entry_function_digest(path + sizeof(PLACE_ROOT),
                          (size_t)(name - path) - sizeof(PLACE_ROOT),
                          walk.key.function);
    return walk_from(&walk, path + sizeof(PLACE_ROOT), walk_in_version);
}
