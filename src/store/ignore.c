#include "store/ignore.h"

#include <errno.h>

#include "base/cleanup.h"
#include "store/draft.h"
#include "store/place.h"
#include "sys/descriptor.h"
#include "sys/files.h"

static const struct cj_bytes ignore_everything = {"*\n", 2};

int
ignore_write(const struct cj_store *store)
{
    AUTO(draft_done) struct draft draft = DRAFT_INIT;
    AUTO(close_p) int root_fd = -1;
    struct file_facts facts;
    int r = place_open(store, "", false, &root_fd);

    if (r == 0) {
        r = file_facts_at(root_fd, PLACE_IGNORE, &facts);
    }
    if (r != -ENOENT || root_fd < 0) {
        return r;
    }
    r = draft_open(&draft, store, root_fd, false);
    if (r == 0) {
        r = file_write(draft.fd, &ignore_everything, 1);
    }
    return r < 0 ? r : draft_publish(&draft, root_fd, PLACE_IGNORE);
}
