#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "store/shelf.h"
#include "store/walk.h"

struct versions_walk {
    int (*visit)(void *context, const struct cj_version *version);
    void *context;
};

static int
versions_tell(void *context, const struct walk_entry *found, bool *ret_enter)
{
    const struct versions_walk *walk = context;
    struct cj_version version = {.path = found->path};

    memcpy(version.version, found->key.version, CJ_KEY_BYTES);
    *ret_enter = false;
    return walk->visit(walk->context, &version);
}

int
cj_store_versions(struct cj_store *store,
                  int (*visit)(void *context, const struct cj_version *version),
                  void *context)
{
    struct versions_walk walk = {visit, context};
    struct walk_visitor visitor = {.version = versions_tell, .context = &walk};

    return walk_store(store, &visitor);
}

int
cj_shelf_versions(struct cj_shelf *shelf,
                  int (*visit)(void *context, const struct cj_version *version),
                  void *context)
{
    AUTO(mem_free_p) char *path = shelf_function_path(shelf);
    struct versions_walk walk = {visit, context};
    struct walk_visitor visitor = {.version = versions_tell, .context = &walk};

    return path ? walk_function(shelf->store, path, &visitor) : -ENOMEM;
}
