/* From a file of the store to an entry in memory. */

#ifndef STORE_LOAD_H
#define STORE_LOAD_H

#include "store/entry.h"
#include "store/store.h"
#include "sys/files.h"

/* Open the file of an entry. 0, CJ_STORE_MISS, CJ_STORE_FOREIGN, or an error. */
CJ_MUST_CHECK int load_open(const struct cj_store *store, int folder_fd,
                            const char *name, int *ret_fd,
                            struct file_facts *ret_facts);

/* Read and check all of it. 0, CJ_STORE_CORRUPT, or an error. */
CJ_MUST_CHECK int load_entry(int fd, const struct file_facts *facts,
                             const struct entry_key *key, struct cj_entry *ret_entry);

/* The same, but the checksum and the payload are left alone: `payload` is empty. */
CJ_MUST_CHECK int load_meta(int fd, const struct file_facts *facts,
                            const struct entry_key *key, struct cj_entry *ret_entry);

/* When it was made, by the head alone. 0, CJ_STORE_CORRUPT, or an error. */
CJ_MUST_CHECK int load_created(int fd, const struct file_facts *facts,
                               const struct entry_key *key, int64_t *ret_created_ns);

#endif
