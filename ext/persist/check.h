/* Whether a file's footer confirms what was loaded from it. */

#ifndef EXT_PERSIST_CHECK_H
#define EXT_PERSIST_CHECK_H

#include "compat.h"

#include "persist/input.h"
#include "pickle/unpickler.h"

enum check_mode {
    CHECK_NEVER,  /* only the length */
    CHECK_AUTO,   /* the digest, if it is known */
    CHECK_ALWAYS, /* there must be a footer, and its digest be right */
};

/* Verify before anything is unpickled: what is damaged may do worse than to fail. A
 * plain file that is small, or a compressed stream that is small and, by this, read to
 * its end. Does nothing with others. */
int check_before(struct unpickler *unpickler, struct input *input, uint64_t max_plain);

/* What comes behind the pickle that was loaded, from an input that is this load's
 * alone. 0, or -1 with UnpicklingError. */
int check_end(struct unpickler *unpickler, struct input *input, enum check_mode mode);

/* The same in a seekable file in which something else may follow, and in memory. How
 * many bytes the footer takes, 0 when there is none, -1 with an exception. */
Py_ssize_t check_here(struct unpickler *unpickler, struct input *input,
                      enum check_mode mode);

/* Whether a plain file has a footer that its content does not agree with: 1, 0, -1.
 * `by_length`: also when they differ in how much there is. */
int check_damage(struct input *input, bool by_length);

#endif
