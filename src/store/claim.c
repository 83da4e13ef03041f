#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/lease.h"
#include "store/shelf.h"

static void
lease_free_p(struct cj_lease **lease)
{
    cj_lease_release(*lease, true);
}

struct claim {
    struct cj_shelf *shelf;
    const uint8_t *arguments;
    struct entry_key key;
    enum cj_claim_mode mode;
    bool is_doubtful; /* something stands there that could not be read */
};

/* The lease is held: see whether it is still needed. 0: no; outcomes: compute. */
static int
claim_confirm(struct claim *claim, struct cj_lease **lease, struct cj_entry *ret_entry)
{
    int r = claim->is_doubtful ? 0 : cj_shelf_has(claim->shelf, claim->arguments);

    if (r != 0) {
        return r;
    }
    if (!claim->is_doubtful) {
        /* Read it without keeping the others waiting. */
        cj_lease_release(TAKE_PTR(*lease), true);
    }
    return shelf_look(claim->shelf, claim->arguments, ret_entry);
}

/* 0: found; outcomes: compute; -EAGAIN: what stands there is no good, claim again. */
static int
claim_once(struct claim *claim, struct cj_entry *ret_entry, struct cj_lease **ret_lease)
{
    AUTO(lease_free_p) struct cj_lease *lease = NULL;
    int r = lease_take(claim->shelf->store, &claim->key, claim->mode, &lease);

    if (r < 0) {
        return r;
    }
    if (!lease) {
        return shelf_look(claim->shelf, claim->arguments, ret_entry);
    }
    r = claim_confirm(claim, &lease, ret_entry);
    if (r > 0 && !lease) {
        claim->is_doubtful = true;
        return -EAGAIN;
    }
    if (r > 0) {
        *ret_lease = TAKE_PTR(lease);
    }
    return r;
}

int
cj_shelf_claim(struct cj_shelf *shelf, const uint8_t arguments[CJ_KEY_BYTES],
               enum cj_claim_mode mode, struct cj_entry *ret_entry,
               struct cj_lease **ret_lease)
{
    struct claim claim = {shelf, arguments, shelf->key, mode, false};
    struct cj_lease *lease = NULL;
    int r;

    memcpy(claim.key.arguments, arguments, CJ_KEY_BYTES);
    do {
        r = claim_once(&claim, ret_entry, &lease);
    } while (r == -EAGAIN);
    if (r >= 0) {
        *ret_lease = lease;
    }
    return r;
}
