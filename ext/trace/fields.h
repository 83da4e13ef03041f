/* From a dict to the fields of an event. */

#ifndef EXT_TRACE_FIELDS_H
#define EXT_TRACE_FIELDS_H

#include "compat.h"

#include <cjoblib/trace.h>

struct fields {
    struct cj_field items[CJ_TRACE_MAX_FIELDS];
    size_t n;
    PyObject *kept[4 * CJ_TRACE_MAX_FIELDS + 1]; /* what must not go away */
    size_t n_kept;
};

#define FIELDS_INIT {.n = 0, .n_kept = 0}

/* The UTF-8 of a str, which lives as long as the fields; NULL with an exception set. */
const char *fields_name(struct fields *fields, PyObject *name);

/* Take at most CJ_TRACE_MAX_FIELDS items of a dict (None: none): numbers as they are,
 * anything else as str() has it. 0, or -1 with an exception set. */
int fields_take(struct fields *fields, PyObject *dict);

void fields_done(struct fields *fields);

#endif
