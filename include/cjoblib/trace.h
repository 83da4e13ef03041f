/* Traces: what ran when, in every thread and process, in one file that Perfetto and
 * chrome://tracing show.
 *
 *      cj_trace_open("run.json", &trace);              another process: cj_trace_join()
 *      cj_lane_open(trace, "main", &lane);             one for each thread
 *
 *      int64_t begin = cj_trace_now();
 *      ... work ...
 *      cj_lane_span(lane, "load", begin, cj_trace_now(), fields, n_fields);
 *
 *      cj_lane_close(lane); cj_trace_close(trace);
 *
 * The file is JSON in the Trace Event Format (its "JSON Array Format", complete events
 * "X", counters "C", instants "i", metadata "M"; times in microseconds with three
 * decimals). While it is being written it is an array without its end, which that
 * format allows: a reader gets all events noted until then, also when the process was
 * killed. cj_trace_close() of the process that opened it leaves complete JSON. Events
 * stand in no order.
 *
 * Cost: an event is text put into memory that is mapped from the file, with no lock
 * and no system call; every 64 KiB of a lane the file grows by as much.
 *
 * Processes: one opens the trace; others join it by its path while it is open. Whoever
 * opens a path that a living process traces into joins it, so a program and all the
 * programs it starts may be given the same path. One clock: CLOCK_MONOTONIC.
 *
 * Threads: a trace may be used by several threads at once, a lane by one at a time. In
 * a forked child the parent's trace and lanes take events and drop them; it may join.
 * The file must not be truncated while it is written.
 */

#ifndef CJ_TRACE_H
#define CJ_TRACE_H

#include <stdbool.h>

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_trace;
struct cj_lane;

/* Begin a trace; an older file is replaced. If a living process is tracing into `path`,
 * join its trace. -EISDIR, -ENOENT, -EACCES, -EROFS, -ENOSPC and as open(2);
 * -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_trace_open(const char *path, struct cj_trace **ret_trace);

/* Add to a trace that a living process has open. -ENOENT, -ESRCH: there is none, or
 * nobody writes it any more; -EINVAL: the file is not a trace. */
CJ_API CJ_MUST_CHECK int cj_trace_join(const char *path, struct cj_trace **ret_trace);

/* Whether this process opened it, rather than joined. */
CJ_API bool cj_trace_is_owner(const struct cj_trace *trace);

/* End it: by the one who opened it, the file is completed; events that are noted
 * afterwards, through lanes that are still open here or elsewhere, are lost. 0; an
 * error of writing the complete file (-ENOSPC...): then the unfinished one is left,
 * with all events. Accepts NULL. */
CJ_API int cj_trace_close(struct cj_trace *trace);

/* The clock of all times here, in nanoseconds; never steps back. */
CJ_API int64_t cj_trace_now(void);

/* A sequence of events, shown as one row: a thread. `name` is what the row is called;
 * at most 200 bytes of it. -ENOSPC and the like: the file can't grow; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_lane_open(struct cj_trace *trace, const char *name,
                                      struct cj_lane **ret_lane);

CJ_API void cj_lane_close(struct cj_lane *lane);

/* What more is to be said of an event. Names and texts are UTF-8 (other bytes are shown
 * as '?'), of texts at most 200 bytes are kept. */
enum cj_field_kind {
    CJ_FIELD_TEXT,
    CJ_FIELD_NUMBER,
    CJ_FIELD_REAL,
};

struct cj_field {
    const char *name;
    enum cj_field_kind kind;
    struct cj_bytes text;
    int64_t number;
    double real;
};

/* Most fields of one event; more are left out. */
#define CJ_TRACE_MAX_FIELDS 8

/* Note that something took from `begin_ns` to `end_ns`. Spans of a lane must be nested
 * or apart. An event that can't be noted, because the file can't grow, is dropped;
 * cj_lane_n_dropped() counts those. */
CJ_API void cj_lane_span(struct cj_lane *lane, const char *name, int64_t begin_ns,
                         int64_t end_ns, const struct cj_field *fields,
                         size_t n_fields);

/* Note that something happened at a moment. */
CJ_API void cj_lane_mark(struct cj_lane *lane, const char *name, int64_t at_ns,
                         const struct cj_field *fields, size_t n_fields);

/* Note the value that a counter of this process has from now on. */
CJ_API void cj_lane_count(struct cj_lane *lane, const char *name, int64_t at_ns,
                          int64_t value);

CJ_API uint64_t cj_lane_n_dropped(const struct cj_lane *lane);

#ifdef __cplusplus
}
#endif

#endif
