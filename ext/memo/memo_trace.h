/* The events of a cached call, for whoever traces (trace/tracer.h):
 *
 *      call [ key | load ]                   a hit
 *      call [ key | compute | store ]        a miss; the last two are noted in Python
 */

#ifndef EXT_MEMO_MEMO_TRACE_H
#define EXT_MEMO_MEMO_TRACE_H

#include "compat.h"

#include <cjoblib/store.h>

#include "state.h"

/* Note a step of a call of the shelf's function, from `begin_ns` until now. `n_bytes`:
 * what was read, 0 is left out. */
void memo_trace_step(struct core_state *state, PyObject *shelf, const char *step,
                     int64_t begin_ns, size_t n_bytes);

/* Note the call itself. `saved_s`: seconds that it would have taken; < 0: a miss. */
void memo_trace_call(struct core_state *state, PyObject *shelf,
                     const uint8_t key[CJ_KEY_BYTES], int64_t begin_ns, double saved_s);

/* How long computing the entry took, in seconds, as its metadata says; 0: they don't.
 */
double memo_trace_duration(const struct cj_entry *entry);

#endif
