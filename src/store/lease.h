/* Who computes what: leases on keys, as locks on ranges of one file of the store.
 *
 * PLACE_LEASES is read and locked, never walked through; which range means what:
 *
 *      00 | slot 40 | 0 ...........   + token + 1 bytes     the holder `token` has the
 *                                                           lease of the key `slot`
 *      01 | token 20 | 0 ..........   + slot + 1 bytes      it waits for that key
 *      10 | 0 ............. token     1 byte                the token is taken
 *
 * So the kernel keeps all there is to know: a lock's start says what it is about, and
 * its length who holds it (or what for), which anybody can ask. All of it is gone when
 * the process is. Two keys that share a slot only wait for each other in vain.
 *
 * Before a thread waits it says so, then follows holders and what they wait for from
 * the key it wants. If that leads back to itself it does not wait. Of those that would
 * close a circle the last one to say so sees all others; as nobody waits with leases of
 * another file in hand, a circle lies within one file.
 *
 * The bytes of the file are LEASE_MARKS counters: a holder that gives up without an
 * entry adds to the one of its slot before it lets go, so that those who waited know
 * that the next one would do no better, and all compute at once. */

#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/entry.h"
#include "store/store.h"

enum lease_outcome {
    LEASE_WAITED = 1, /* had to wait: the lease is held, but things have changed */
    LEASE_GIVEN_UP,   /* waited for one who gave up; not held */
    LEASE_BUSY,       /* somebody else's; not waited for */
    LEASE_RECURSION,  /* this thread's own */
    LEASE_CIRCLE,     /* waiting would never end */
    LEASE_UNABLE,     /* there is none to be had here */
};

struct cj_leases *leases_ref(struct cj_leases *leases);

/* The right to compute the entry of a key. 0 or LEASE_WAITED: `ret_lease` is it. Other
 * outcomes: none. -EINTR: a signal came. */
CJ_MUST_CHECK int lease_take(struct cj_store *store, const struct entry_key *key,
                             enum cj_claim_mode mode, struct cj_lease **ret_lease);

#endif
