/* Names of folders and files: what a function's name becomes on disk.
 *
 * Each component is written as it is, but for these bytes, which become %XX:
 *
 *      '%', '/', control characters, everything above 126
 *      a leading '.'                                   (".", "..", the store's own)
 *      the first of exactly 32 lower-case hex digits   (those are versions)
 *
 * and when the result is longer than NAME_MAX_BYTES, all after its first part is
 * replaced by "%~" and the digest of the component. A '/' can stand in a component only
 * at depth NAME_MAX_DEPTH: there the rest of the function's name is one component. What
 * is not shortened can be read back, and "%~" is written by shortening alone, so two
 * names share a folder only if their digests are equal.
 */

#ifndef STORE_NAMES_H
#define STORE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "cjoblib/store.h"

/* A component on disk, in bytes; every file system takes 255. */
#define NAME_MAX_BYTES 200

/* Components of a function on disk. */
#define NAME_MAX_DEPTH 32

/* A key as a name, with its end. */
#define NAME_KEY_BYTES (2 * CJ_KEY_BYTES + 1)

/* The path of a function, relative to the store's root, on the heap. -EINVAL: the name
 * or a component is empty; -ENOMEM. */
CJ_MUST_CHECK int name_escape(const char *function, char **ret_path);

/* Whether name_escape() could have written this component. */
bool name_is_escaped(const char *component);

void name_of_key(const uint8_t key[CJ_KEY_BYTES], char ret_name[NAME_KEY_BYTES]);

/* The key that is written so; false, and nothing written, when it is none. */
bool name_to_key(const char *name, uint8_t ret_key[CJ_KEY_BYTES]);

#endif
