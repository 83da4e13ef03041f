#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/draft.h"
#include "store/load.h"
#include "store/place.h"
#include "store/shelf.h"
#include "store/walk.h"
#include "sys/files.h"
#include "sys/folder.h"

struct clear {
    struct cj_store *store;
    const uint8_t *version; /* of the shelf */
    enum cj_versions versions;
};

static int
clear_version(void *context, const struct walk_entry *version, bool *ret_enter)
{
    const struct clear *clear = context;
    bool is_this = memcmp(version->key.version, clear->version, CJ_KEY_BYTES) == 0;

    *ret_enter = is_this ? clear->versions != CJ_VERSIONS_OTHERS
                         : clear->versions != CJ_VERSIONS_THIS;
    return 0;
}

static int
clear_entry(void *context, const struct walk_entry *entry)
{
    const struct clear *clear = context;
    struct file_facts facts;
    int r = file_facts_at(entry->folder_fd, entry->name, &facts);

    if (r < 0) {
        return walk_gone(r);
    }
    if (facts.kind != FILE_REGULAR || facts.owner != clear->store->owner) {
        return 0;
    }
    return walk_gone(file_remove(entry->folder_fd, entry->name));
}

static int
clear_temp(void *context, int temps_fd, const char *name)
{
    const struct clear *clear = context;
    int r = draft_judge(clear->store, temps_fd, name);

    if (r == DRAFT_DEAD) {
        return walk_gone(file_remove(temps_fd, name));
    }
    return r == DRAFT_ALIVE || place_is_foreign(r) ? 0 : walk_gone(r);
}

/* A folder that is not empty holds what is foreign, or what a writer put there. */
static int
clear_leave(void *context, int parent_fd, const char *name)
{
    int r = folder_remove(parent_fd, name);

    (void)context;
    return r == -ENOTEMPTY || r == -EEXIST ? 0 : walk_gone(r);
}

/* One of the store's own files in its root. */
static int
clear_own(void *context, int root_fd, const char *name)
{
    const struct clear *clear = context;
    struct file_facts facts;
    int r = file_facts_at(root_fd, name, &facts);

    if (r < 0 || facts.kind != FILE_REGULAR || facts.owner != clear->store->owner) {
        return walk_gone(r);
    }
    return walk_gone(file_remove(root_fd, name));
}

static struct walk_visitor
clear_visitor(struct clear *clear)
{
    return (struct walk_visitor){.note = clear_entry,
                                 .entry = clear_entry,
                                 .leave = clear_leave,
                                 .context = clear};
}

int
cj_store_clear(struct cj_store *store)
{
    struct clear clear = {.store = store};
    struct walk_visitor visitor = clear_visitor(&clear);

    visitor.temp = clear_temp;
    visitor.own = clear_own;
    return walk_store(store, &visitor);
}

int
cj_shelf_clear(struct cj_shelf *shelf, enum cj_versions versions)
{
    AUTO(mem_free_p) char *path = shelf_function_path(shelf);
    struct clear clear = {shelf->store, shelf->key.version, versions};
    struct walk_visitor visitor = clear_visitor(&clear);

    visitor.version = clear_version;
    return path ? walk_function(shelf->store, path, &visitor) : -ENOMEM;
}
