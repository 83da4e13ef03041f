#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/draft.h"
#include "store/load.h"
#include "store/place.h"
#include "store/shelf.h"
#include "store/usage.h"
#include "store/walk.h"
#include "sys/files.h"
#include "sys/folder.h"

struct clear {
    struct cj_store *store;
    const uint8_t *version; /* of the shelf */
    enum cj_versions versions;
    uint64_t n_bytes, n_entries; /* that were removed */
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

enum { CLEAR_LEFT = 1 };

/* Remove a file of ours: 0; CLEAR_LEFT: not ours, or gone already. */
static int
clear_file(const struct clear *clear, int folder_fd, const char *name,
           struct file_facts *ret_facts)
{
    int r = file_facts_at(folder_fd, name, ret_facts);

    if (r == 0 &&
        (ret_facts->kind != FILE_REGULAR || ret_facts->owner != clear->store->owner)) {
        return CLEAR_LEFT;
    }
    if (r == 0) {
        r = file_remove(folder_fd, name);
    }
    return r == -ENOENT ? CLEAR_LEFT : r;
}

static int
clear_entry(void *context, const struct walk_entry *entry)
{
    struct clear *clear = context;
    struct file_facts facts;
    int r = clear_file(clear, entry->folder_fd, entry->name, &facts);

    if (r == 0) {
        clear->n_entries++;
        clear->n_bytes += facts.n_bytes;
    }
    return r < 0 ? r : 0;
}

static int
clear_note(void *context, const struct walk_entry *note)
{
    struct file_facts facts;
    int r = clear_file(context, note->folder_fd, note->name, &facts);

    return r < 0 ? r : 0;
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
    struct file_facts facts;
    int r = clear_file(context, root_fd, name, &facts);

    return r < 0 ? r : 0;
}

static struct walk_visitor
clear_visitor(struct clear *clear)
{
    return (struct walk_visitor){.note = clear_note,
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
    struct clear clear = {
        .store = shelf->store, .version = shelf->key.version, .versions = versions};
    struct walk_visitor visitor = clear_visitor(&clear);

    int r;

    if (!path) {
        return -ENOMEM;
    }
    visitor.version = clear_version;
    r = walk_function(shelf->store, path, &visitor);
    usage_subtract(shelf->store, clear.n_bytes, clear.n_entries);
    return r;
}
