/* The GIL during long work in C: given away by whoever begins it, taken back for a
 * moment by callbacks that need Python.
 *
 *      gil_release(&gil);
 *      ... callback: was = gil_take(&gil); Python; gil_restore(&gil, was);
 *      gil_take(&gil);
 */

#ifndef EXT_PERSIST_GIL_H
#define EXT_PERSIST_GIL_H

#include "compat.h"

#include <stdbool.h>

/* Work on fewer bytes than this is done at once: releasing costs more. */
#define GIL_WORTH_BYTES 65536

struct gil {
    PyThreadState *released; /* NULL: this thread has the GIL */
};

static inline void
gil_release(struct gil *gil)
{
    gil->released = PyEval_SaveThread();
}

/* Returns whether it had been released. */
static inline bool
gil_take(struct gil *gil)
{
    PyThreadState *thread = gil->released;

    if (!thread) {
        return false;
    }
    gil->released = NULL;
    PyEval_RestoreThread(thread);
    return true;
}

static inline void
gil_restore(struct gil *gil, bool was_released)
{
    if (was_released) {
        gil_release(gil);
    }
}

#endif
