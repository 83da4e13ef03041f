#include <errno.h>

#include "base/cleanup.h"
#include "store/draft.h"
#include "store/load.h"
#include "store/place.h"
#include "store/usage.h"
#include "store/walk.h"
#include "sys/descriptor.h"
#include "sys/files.h"

/* Look at one entry; `verify`: at all of it. Like load_open() and load_entry(), but
 * what the disk can't give back is as damaged as what it gives back changed. */
static int
check_load(const struct cj_store *store, const struct walk_entry *found, bool verify,
           struct file_facts *ret_facts, struct cj_entry *ret_entry)
{
    AUTO(close_p) int fd = -1;
    int r = load_open(store, found->folder_fd, found->name, &fd, ret_facts);

    if (r == 0) {
        r = (verify ? load_entry : load_meta)(fd, ret_facts, &found->key, ret_entry);
    }
    switch (r) {
    case -EIO:
        return CJ_STORE_CORRUPT;
    case -EACCES:
        return CJ_STORE_FOREIGN;
    default:
        return r;
    }
}

struct check_walk {
    const struct cj_store *store;
    bool verify;
    int (*visit)(void *context, const struct cj_store_item *item);
    void *context;
};

static int
check_tell(void *context, const struct walk_entry *found)
{
    const struct check_walk *walk = context;
    AUTO(cj_entry_done) struct cj_entry entry = CJ_ENTRY_INIT;
    struct file_facts facts;
    int r = check_load(walk->store, found, walk->verify, &facts, &entry);

    if (r < 0) {
        return r;
    }
    if (r == CJ_STORE_MISS || r == CJ_STORE_FOREIGN) {
        return 0;
    }
    return walk->visit(walk->context, &(struct cj_store_item){
                                          .path = found->path,
                                          .n_bytes = facts.n_bytes,
                                          .created_ns = entry.created_ns,
                                          .used_ns = facts.written_ns,
                                          .is_sound = r == 0,
                                          .meta = entry.meta,
                                      });
}

int
cj_store_walk(struct cj_store *store, bool verify,
              int (*visit)(void *context, const struct cj_store_item *item),
              void *context)
{
    struct check_walk walk = {store, verify, visit, context};
    struct walk_visitor visitor = {.entry = check_tell, .context = &walk};

    return walk_store(store, &visitor);
}

int
cj_store_walk_version(struct cj_store *store, const char *path, bool verify,
                      int (*visit)(void *context, const struct cj_store_item *item),
                      void *context)
{
    struct check_walk walk = {store, verify, visit, context};
    struct walk_visitor visitor = {.entry = check_tell, .context = &walk};

    return walk_version(store, path, &visitor);
}

struct check {
    struct cj_store *store;
    bool fix;
    struct cj_store_report report;
    uint64_t n_removed, n_removed_bytes; /* entries */
};

static int
check_remove(const struct check *check, int folder_fd, const char *name)
{
    return check->fix ? walk_gone(file_remove(folder_fd, name)) : 0;
}

static int
check_entry(void *context, const struct walk_entry *found)
{
    struct check *check = context;
    AUTO(cj_entry_done) struct cj_entry entry = CJ_ENTRY_INIT;
    struct file_facts facts;
    int r = check_load(check->store, found, true, &facts, &entry);

    switch (r) {
    case 0:
        check->report.n_entries++;
        check->report.n_bytes += facts.n_bytes;
        return 0;
    case CJ_STORE_CORRUPT:
        check->report.n_corrupt++;
        /* If a writer has replaced it since it was read, a good entry goes: the price
         * is a computation, never a wrong value. */
        check->n_removed += check->fix;
        check->n_removed_bytes += check->fix ? facts.n_bytes : 0;
        return check_remove(check, found->folder_fd, found->name);
    case CJ_STORE_FOREIGN:
        check->report.n_foreign++;
        return 0;
    default:
        return r == CJ_STORE_MISS ? 0 : r;
    }
}

static int
check_note(void *context, const struct walk_entry *found)
{
    struct check *check = context;
    AUTO(cj_entry_done) struct cj_entry note = CJ_ENTRY_INIT;
    struct file_facts facts;
    int r = check_load(check->store, found, true, &facts, &note);

    if (r == CJ_STORE_CORRUPT) {
        check->report.n_corrupt++;
        return check_remove(check, found->folder_fd, found->name);
    }
    check->report.n_foreign += r == CJ_STORE_FOREIGN;
    return r < 0 ? r : 0;
}

static int
check_foreign(void *context)
{
    struct check *check = context;

    check->report.n_foreign++;
    return 0;
}

static int
check_temp(void *context, int temps_fd, const char *name)
{
    struct check *check = context;
    int r = draft_judge(check->store, temps_fd, name);

    if (r == DRAFT_DEAD) {
        check->report.n_orphans++;
        return check_remove(check, temps_fd, name);
    }
    if (place_is_foreign(r)) {
        return check_foreign(check);
    }
    return r == DRAFT_ALIVE ? 0 : walk_gone(r);
}

int
cj_store_check(struct cj_store *store, bool fix, struct cj_store_report *ret_report)
{
    struct check check = {.store = store, .fix = fix};
    struct walk_visitor visitor = {
        .note = check_note,
        .entry = check_entry,
        .temp = check_temp,
        .foreign = check_foreign,
        .context = &check,
    };
    AUTO(usage_count_done) struct usage_count count = USAGE_COUNT_INIT;
    int counts = fix ? usage_begin_count(store, &count) : USAGE_BUSY;
    int r = walk_store(store, &visitor);

    if (r == 0 && counts == 0) {
        usage_end_count(store, &count, (int64_t)check.report.n_bytes,
                        (int64_t)check.report.n_entries);
    }
    else {
        usage_subtract(store, check.n_removed_bytes, check.n_removed);
    }
    if (r == 0) {
        *ret_report = check.report;
    }
    return r;
}
