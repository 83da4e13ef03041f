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

static int
clear_entry(void *context, const struct walk_entry *entry)
{
    const struct cj_store *store = context;
    struct file_facts facts;
    int r = file_facts_at(entry->folder_fd, entry->name, &facts);

    if (r < 0) {
        return walk_gone(r);
    }
    if (facts.kind != FILE_REGULAR || facts.owner != store->owner) {
        return 0;
    }
    return walk_gone(file_remove(entry->folder_fd, entry->name));
}

static int
clear_temp(void *context, int temps_fd, const char *name)
{
    int r = draft_judge(context, temps_fd, name);

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

static struct walk_visitor
clear_visitor(struct cj_store *store)
{
    return (struct walk_visitor){
        .entry = clear_entry, .leave = clear_leave, .context = store};
}

int
cj_store_clear(struct cj_store *store)
{
    struct walk_visitor visitor = clear_visitor(store);

    visitor.temp = clear_temp;
    return walk_store(store, &visitor);
}

int
cj_shelf_clear(struct cj_shelf *shelf)
{
    AUTO(mem_free_p) char *path = mem_alloc_zero(shelf->n_function + 1, 1);
    struct walk_visitor visitor = clear_visitor(shelf->store);

    if (!path) {
        return -ENOMEM;
    }
    memcpy(path, shelf->function, shelf->n_function);
    return walk_function(shelf->store, path, &visitor);
}
