/* Tracing from Python and from the rest of the extension.
 *
 *      int64_t begin = tracer_begin(state);            0: nobody traces
 *      ...
 *      if (begin) {
 *          tracer_span(state, "load", begin, fields, n_fields);
 *      }
 */

#ifndef EXT_TRACE_TRACER_H
#define EXT_TRACE_TRACER_H

#include "compat.h"

#include <cjoblib/trace.h>

#include "state.h"

extern PyType_Spec tracer_type_spec;
extern PyType_Spec lane_type_spec;
extern PyMethodDef tracer_methods[];

static inline int64_t
tracer_begin(const struct core_state *state)
{
    return state->tracer ? cj_trace_now() : 0;
}

/* Note what took from `begin_ns` until now, in this thread's row. Never fails: what
 * can't be noted is dropped. */
void tracer_span(struct core_state *state, const char *name, int64_t begin_ns,
                 const struct cj_field *fields, size_t n_fields);

#endif
