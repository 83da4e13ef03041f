/* The store: a map from (function, code version, arguments) to immutable bytes, kept in
 * a folder that any number of threads, processes and hosts share.
 *
 *      cj_store_open("/data/cache", NULL, &store);
 *      cj_shelf_open(store, "package.module/function", version, &shelf);
 *      r = cj_shelf_get(shelf, arguments, &entry);
 *      if (r > 0) {
 *          r = cj_shelf_claim(shelf, arguments, CJ_CLAIM_WAIT, &entry, &lease);
 *      }
 *      if (r > 0) {
 *          compute;
 *          r = cj_shelf_put(shelf, arguments, meta, parts, n_parts);
 *          cj_lease_release(lease, r == 0);
 *      }
 *      cj_entry_done(&entry); cj_shelf_close(shelf); cj_store_close(store);
 *
 * On disk, one file per entry:
 *
 *      LOCATION/cjoblib/<module path>/<function>/<version, 32 hex>/<arguments, 32 hex>
 *
 * An entry is checksummed as a whole (header, metadata, payload, with the key it stands
 * under mixed in) and appears by one link or rename: it is there whole, or it is not
 * there. A crash at any moment leaves the old entry or the new one. Damage of any kind
 * is noticed by cj_shelf_get() and told as CJ_STORE_CORRUPT. The bytes are described in
 * doc/formats/entry.md.
 *
 * Durability: an entry survives a crash of the program at once; a power cut may lose
 * the newest ones (noticed, so they are computed again), never give a wrong one. With
 * `durable` it survives a power cut too from the moment cj_shelf_put() returns.
 *
 * Privacy: folders are made with mode 0700 and files 0600. Nothing is followed through
 * a symbolic link below LOCATION; what belongs to another owner, or may be written by
 * everybody, is refused.
 *
 * Last use: the file's modification time, set by the put and by a get that finds it
 * more than a minute off.
 *
 * Threads: a store and a shelf may be used by several threads at once, and by a forked
 * child. An open shelf and an open store hold a file descriptor of a folder each,
 * from their first use on, and a thread that has leases one of a file.
 */

#ifndef CJ_STORE_H
#define CJ_STORE_H

#include <stdbool.h>

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_store;
struct cj_shelf;
struct cj_lease;
struct cj_leases;

/* Outcomes of looking for an entry, beside 0 (found). */
enum cj_store_outcome {
    CJ_STORE_MISS = 1, /* no such entry */
    CJ_STORE_CORRUPT,  /* a damaged file, or one that is not an entry of this key */
    CJ_STORE_FOREIGN, /* what stands there (or for a folder above it) is a link, another
                         owner's, writable by everybody, or no file at all */
};

/* The width of a version and of an arguments' digest. */
#define CJ_KEY_BYTES 16

/* One entry, held by its reader. `meta` and `payload` lie inside `file`; the payload
 * starts at a multiple of CJ_STORE_ALIGN bytes of memory. Writable: changes are the
 * holder's own. */
struct cj_entry {
    struct cj_blob file;
    struct cj_bytes meta;
    struct cj_bytes payload;
    int64_t created_ns; /* nanoseconds since 1970, of the putting host's clock */
};

#define CJ_ENTRY_INIT {CJ_BLOB_INIT, {NULL, 0}, {NULL, 0}, 0}

/* Arrays inside a payload may count on this alignment of its start, in bytes. */
#define CJ_STORE_ALIGN 64

/* All zero is the default; NULL in place of the options means the same. */
struct cj_store_options {
    bool must_exist; /* make nothing: -ENOENT unless a store stands at the location */
    bool durable;    /* a put returns when the entry is on the disk */
    /* An entry that was made longer ago is a miss, in nanoseconds; 0: none is. One
     * whose making lies so far in the future is a miss too. */
    int64_t ttl_ns;
    /* The sum of the entries' files, in bytes, that puts keep the store below, 0: none.
     * A put that goes beyond removes what was used least recently. */
    uint64_t max_bytes;
    /* What this process's threads hold, shared by all stores that it opens: give the
     * same one to each. NULL: the store has its own. */
    struct cj_leases *leases;
};

/* Open the store at `location`, an existing or a new folder (it is made at once, its
 * parents too); nothing is written into it before the first put. A relative location is
 * taken from the working folder of this moment. The files are those of the effective
 * user of this moment. -ENOTDIR: something else stands there; -EACCES, -EROFS: it can't
 * be made or entered; -ELOOP: `LOCATION/cjoblib` is a symbolic link; -EPERM: it belongs
 * to another user or everybody may write in it; -ENOENT: the location is empty text, or
 * see `must_exist`; -ENOMEM and other errors of open(2), mkdir(2). */
CJ_API CJ_MUST_CHECK int cj_store_open(const char *location,
                                       const struct cj_store_options *options,
                                       struct cj_store **ret_store);

/* Close it. Shelves must be closed before. Accepts NULL. */
CJ_API void cj_store_close(struct cj_store *store);

/* The place of one function at one version of its code. `function` names it: components
 * divided by '/', the last one the function's own name, any bytes but NUL. Components
 * are escaped so that each stays one safe file name (a leading '.', '%', control
 * characters and bytes above 126 are written as %XX, and the first of 32 hex digits;
 * beyond 200 bytes the tail is replaced by a digest of the whole; all after the 31st
 * '/' is one component): two different names never share a folder. Nothing is created
 * on disk. -EINVAL: the name or one of its components is empty; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_shelf_open(struct cj_store *store, const char *function,
                                       const uint8_t version[CJ_KEY_BYTES],
                                       struct cj_shelf **ret_shelf);

CJ_API void cj_shelf_close(struct cj_shelf *shelf);

/* The folder of the shelf, relative to LOCATION; lives as long as the shelf. */
CJ_API const char *cj_shelf_path(const struct cj_shelf *shelf);

/* Read the entry of `arguments` and check it. 0: `ret_entry` holds it, release it with
 * cj_entry_done(). CJ_STORE_MISS, CJ_STORE_CORRUPT, CJ_STORE_FOREIGN: see above,
 * `ret_entry` is untouched. Nothing is written but the time of last use. -ENOMEM, -EIO
 * and other errors of open(2) and read(2). */
CJ_API CJ_MUST_CHECK int cj_shelf_get(struct cj_shelf *shelf,
                                      const uint8_t arguments[CJ_KEY_BYTES],
                                      struct cj_entry *ret_entry);

/* Whether an entry stands there; its content is not looked at, and its time of last use
 * stays. 0, CJ_STORE_MISS, CJ_STORE_FOREIGN; errors of stat(2). */
CJ_API CJ_MUST_CHECK int cj_shelf_has(struct cj_shelf *shelf,
                                      const uint8_t arguments[CJ_KEY_BYTES]);

/* Release the bytes and set the entry to CJ_ENTRY_INIT. Accepts an empty one. */
CJ_API void cj_entry_done(struct cj_entry *entry);

/* Store an entry, whose payload is the `n_parts` pieces one after the other (they are
 * written as they stand, not copied together; they must not change meanwhile). What
 * stands there already is replaced, a foreign file too. Space is reserved before a
 * large entry is written: -ENOSPC, -EDQUOT leave nothing behind. Other errors: -EROFS,
 * -EACCES, -EIO, -ENOMEM; -EFBIG: more than 2^61 bytes, or than `max_bytes`; -ELOOP,
 * -EPERM, -ENOTDIR: a folder on the way is foreign; -EBUSY: others removed the folder
 * each of many times it was made. After any error the entries are as they were; folders
 * may be new. (When a durable store can't sync the folder as the last step, the entry
 * stands there and may be lost in a power cut.) */
CJ_API CJ_MUST_CHECK int cj_shelf_put(struct cj_shelf *shelf,
                                      const uint8_t arguments[CJ_KEY_BYTES],
                                      struct cj_bytes meta,
                                      const struct cj_bytes *parts, size_t n_parts);

/* --- One computation per key ---------------------------------------------------------
 *
 * A lease is the right to compute an entry. One thread has it, of all processes that
 * use the store; the kernel takes it back when its process ends, however that ends.
 *
 *      nobody's --claim--> held --release(stored)-----> the waiters find the entry
 *                           |  --release(not stored)--> the waiters compute, all at
 * once |  --death----------------> one waiter has it held by another --claim--> wait
 *
 * A claim never waits for what can't come: for a lease of the same thread (a function
 * that calls itself), for a thread that itself waits, however indirectly, for this one,
 * for a lease in one store while the thread holds some in another. It then returns
 * without a lease, and the caller computes. Nor does it where there are no locks
 * (some network file systems), or nothing may be written.
 *
 * A forked child holds none of its parent's leases. Call cj_leases_forked() first thing
 * in a child that goes on without exec(): until then a lease of a parent that is killed
 * stays taken. */

/* What the threads of a process hold. */
CJ_API CJ_MUST_CHECK int cj_leases_new(struct cj_leases **ret_leases);

/* Stores that were opened with it keep it until they are closed. Accepts NULL. */
CJ_API void cj_leases_free(struct cj_leases *leases);

/* In a forked child: let go of what belongs to the parent. */
CJ_API void cj_leases_forked(struct cj_leases *leases);

enum cj_claim_mode {
    CJ_CLAIM_WAIT, /* sleep while another thread or process has the lease */
    CJ_CLAIM_TRY,  /* then return without it */
};

/* After cj_shelf_get() found nothing: have the entry, or the right to compute it. 0:
 * another one stored it meanwhile, `ret_entry` holds it. CJ_STORE_MISS,
 * CJ_STORE_CORRUPT, CJ_STORE_FOREIGN: compute, put, and release `ret_lease`; it may be
 * NULL, see above. -EINTR: a signal came while waiting (claim again); others as
 * cj_shelf_get(). */
CJ_API CJ_MUST_CHECK int cj_shelf_claim(struct cj_shelf *shelf,
                                        const uint8_t arguments[CJ_KEY_BYTES],
                                        enum cj_claim_mode mode,
                                        struct cj_entry *ret_entry,
                                        struct cj_lease **ret_lease);

/* Give the lease back, in any thread, also after the shelf was closed. `is_stored`: the
 * entry stands there now. In a forked child of the one who claimed it only memory is
 * released. Accepts NULL. */
CJ_API void cj_lease_release(struct cj_lease *lease, bool is_stored);

/* Remove one entry. 0, also when there was none; -EACCES, -EROFS and the like. */
CJ_API CJ_MUST_CHECK int cj_shelf_remove(struct cj_shelf *shelf,
                                         const uint8_t arguments[CJ_KEY_BYTES]);

/* Versions of the code of a shelf's function. */
enum cj_versions {
    CJ_VERSIONS_ALL,
    CJ_VERSIONS_THIS,   /* the shelf's own */
    CJ_VERSIONS_OTHERS, /* all but that */
};

/* Remove every entry and note of these versions of the shelf's function, without
 * reading them. Readers that hold an entry keep it; writers at the same moment succeed,
 * before or after. What is foreign is left alone. */
CJ_API CJ_MUST_CHECK int cj_shelf_clear(struct cj_shelf *shelf,
                                        enum cj_versions versions);

/* The same for all functions, and all else that is the store's own but what writers
 * need that live: LOCATION/cjoblib is empty then. Leases that threads hold at that
 * moment keep nobody out any more. */
CJ_API CJ_MUST_CHECK int cj_store_clear(struct cj_store *store);

/* --- Notes ---------------------------------------------------------------------------
 *
 * A shelf can have one note: bytes that say what the function was at this version (its
 * source, say), so that an edited one can be told. It is checksummed like an entry, is
 * not one, and goes when the shelf is cleared. */

/* Outcomes and errors as of cj_shelf_get(); the note is the payload. */
CJ_API CJ_MUST_CHECK int cj_shelf_note_get(struct cj_shelf *shelf,
                                           struct cj_entry *ret_note);

/* Errors as of cj_shelf_put(). */
CJ_API CJ_MUST_CHECK int cj_shelf_note_put(struct cj_shelf *shelf,
                                           struct cj_bytes note);

/* A version of a function that stands in the store. */
struct cj_version {
    const char *path; /* relative to LOCATION, as cj_shelf_path() */
    uint8_t version[CJ_KEY_BYTES];
};

/* Call `visit` for the versions of the shelf's function, in no order; a result other
 * than 0 ends it and is returned. A version may have no entries. */
CJ_API CJ_MUST_CHECK int cj_shelf_versions(struct cj_shelf *shelf,
                                           int (*visit)(void *context,
                                                        const struct cj_version *),
                                           void *context);

/* The same for all functions. */
CJ_API CJ_MUST_CHECK int cj_store_versions(struct cj_store *store,
                                           int (*visit)(void *context,
                                                        const struct cj_version *),
                                           void *context);

/* --- Walks ---------------------------------------------------------------------------
 */

/* What a walk says of one entry. */
struct cj_store_item {
    const char *path;     /* relative to LOCATION */
    uint64_t n_bytes;     /* size of the file */
    int64_t created_ns;   /* nanoseconds since 1970; 0 when it is not sound */
    int64_t used_ns;      /* last use */
    bool is_sound;        /* false: its content is not what its checksum says */
    struct cj_bytes meta; /* empty when it is not sound */
};

/* Call `visit` for every entry, in no order; a result other than 0 ends the walk and is
 * returned. With `verify` each entry is read whole and checked; without, `is_sound`
 * tells about the header and the lengths only, and `meta` is unchecked. What is foreign
 * is not told. Entries that come or go during the walk may be seen or not; `visit` may
 * remove the one it is told. An entry that can't be read (-EIO) is not sound. */
CJ_API CJ_MUST_CHECK int cj_store_walk(struct cj_store *store, bool verify,
                                       int (*visit)(void *context,
                                                    const struct cj_store_item *item),
                                       void *context);

/* The same for the entries of one version of one function, by the path that
 * cj_store_versions() tells. A path that is none has no entries. */
CJ_API CJ_MUST_CHECK int
cj_store_walk_version(struct cj_store *store, const char *path, bool verify,
                      int (*visit)(void *context, const struct cj_store_item *item),
                      void *context);

/* --- Bounds --------------------------------------------------------------------------
 *
 * How much is in the store is kept in a file of it, also when processes are killed: the
 * sum may be too large for a while, and is set right by the next walk that removes
 * something and by cj_store_check() with `fix`. Files that others copied into the store
 * are counted then. */

/* What may stay; start from CJ_STORE_NO_LIMITS. */
struct cj_store_limits {
    uint64_t n_bytes; /* of the entries' files together */
    uint64_t n_entries;
    int64_t age_ns; /* since the last use */
};

#define CJ_STORE_NO_LIMITS {UINT64_MAX, UINT64_MAX, INT64_MAX}

struct cj_store_reduction {
    uint64_t n_removed;
    uint64_t n_removed_bytes;
    uint64_t n_entries; /* that are left */
    uint64_t n_bytes;
};

/* Remove the entries that were used least recently until the rest is within the limits.
 * An entry that is used meanwhile stays. A time of last use in the future, or before
 * 2020, is the clock's fault: such an entry counts as used when its file was last
 * changed. Without a limit of age, and when the kept sum is within the others, nothing
 * is walked through. -EACCES, -EROFS: what must go can't; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_store_reduce(struct cj_store *store,
                                         const struct cj_store_limits *limits,
                                         struct cj_store_reduction *ret_result);

/* Totals of the store. Hits and misses are those of all handles that were closed. */
struct cj_store_info {
    uint64_t n_entries;
    uint64_t n_bytes;
    uint64_t n_hits;
    uint64_t n_misses;
    uint64_t n_evicted;
};

/* Without a walk, unless nobody has counted yet. */
CJ_API CJ_MUST_CHECK int cj_store_info(struct cj_store *store,
                                       struct cj_store_info *ret_info);

/* What one handle has seen; in a forked child, what its parent had seen too. */
struct cj_store_statistics {
    uint64_t n_hits;
    uint64_t n_misses; /* the expired ones too */
    uint64_t n_expired;
    uint64_t n_corrupt;
    uint64_t n_foreign;
    uint64_t n_stored;
    uint64_t n_evicted;
    uint64_t n_waits; /* claims that waited */
};

CJ_API void cj_store_statistics(const struct cj_store *store,
                                struct cj_store_statistics *ret_statistics);

struct cj_store_report {
    uint64_t n_entries; /* sound ones */
    uint64_t n_bytes;   /* of these */
    uint64_t n_corrupt; /* damaged entries and notes; with fix: removed */
    uint64_t n_orphans; /* temporary files of dead writers; with fix: removed */
    uint64_t n_foreign; /* what is not the store's: links, other owners, strangers */
};

/* Read and check everything; with `fix` remove what is damaged and what dead writers
 * left. What is foreign is counted and left alone, and so is what lies inside it. The
 * temporary file of a writer that lives is not counted. */
CJ_API CJ_MUST_CHECK int cj_store_check(struct cj_store *store, bool fix,
                                        struct cj_store_report *ret_report);

#ifdef __cplusplus
}
#endif

#endif
