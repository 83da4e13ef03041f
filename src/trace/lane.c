#include "cjoblib/trace.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/fork_guard.h"
#include "sys/growing_file.h"
#include "sys/process.h"
#include "sys/thread.h"
#include "trace/event.h"
#include "trace/trace.h"

/* One thread writes all fields; `piece` is memory of the file that nobody else has. */
struct cj_lane {
    int fd; /* an opening of its own: other lanes may add at the same time */
    struct growing_piece piece;
    size_t used; /* bytes of `piece` */
    int64_t process, thread;
    const volatile unsigned char *is_here; /* 0: this is a forked child */
    uint64_t n_dropped;
};

int64_t
cj_trace_now(void)
{
    return clock_monotonic_ns();
}

/* Have room for the longest event. */
static bool
lane_make_room(struct cj_lane *lane)
{
    struct growing_piece piece;

    if (!*lane->is_here) {
        return false;
    }
    if (lane->piece.size - lane->used >= EVENT_MAX_BYTES) {
        return true;
    }
    if (growing_file_add(lane->fd, TRACE_PIECE_BYTES, ' ', &piece) < 0) {
        return false;
    }
    /* Events end their lines themselves; this parts the piece from the one before. */
    piece.room[piece.size - 1] = '\n';
    piece.size--;
    growing_file_let_go(&lane->piece);
    lane->piece = piece;
    lane->used = 0;
    return true;
}

/* The text is complete before it is copied: a process that is killed meanwhile leaves
 * at most one line that is cut. */
static void
lane_put(struct cj_lane *lane, struct event *event)
{
    event_end(event);
    if (!lane_make_room(lane)) {
        lane->n_dropped++;
        return;
    }
    memcpy(lane->piece.room + lane->used, event->text, event->size);
    lane->used += event->size;
}

static void
lane_put_name(struct cj_lane *lane, const char *name)
{
    struct event event;

    event_begin(&event, "thread_name", 'M', 0, lane->process, lane->thread);
    event_add_text(&event, "name", (struct cj_bytes){name, strlen(name)});
    lane_put(lane, &event);
}

int
cj_lane_open(struct cj_trace *trace, const char *name, struct cj_lane **ret_lane)
{
    struct cj_lane *lane = mem_alloc_zero(1, sizeof(*lane));
    int r;

    if (!lane) {
        return -ENOMEM;
    }
    lane->fd = -1;
    lane->process = process_self();
    lane->thread = thread_number();
    r = fork_guard_new(&lane->is_here);
    if (r == 0) {
        r = growing_file_again(trace->fd, &lane->fd);
    }
    if (r == 0) {
        r = growing_file_add(lane->fd, TRACE_PIECE_BYTES, ' ', &lane->piece);
    }
    if (r < 0) {
        cj_lane_close(lane);
        return r;
    }
    lane->piece.size--;
    lane->piece.room[lane->piece.size] = '\n';
    lane_put_name(lane, name);
    *ret_lane = lane;
    return 0;
}

void
cj_lane_close(struct cj_lane *lane)
{
    if (lane) {
        growing_file_let_go(&lane->piece);
        descriptor_close(lane->fd);
        fork_guard_free(lane->is_here);
        mem_free(lane);
    }
}

static void
event_add_fields(struct event *event, const struct cj_field *fields, size_t n_fields)
{
    if (n_fields > CJ_TRACE_MAX_FIELDS) {
        n_fields = CJ_TRACE_MAX_FIELDS;
    }
    for (size_t i = 0; i < n_fields; i++) {
        const struct cj_field *field = &fields[i];

        switch (field->kind) {
        case CJ_FIELD_TEXT:
            event_add_text(event, field->name, field->text);
            break;
        case CJ_FIELD_NUMBER:
            event_add_number(event, field->name, field->number);
            break;
        case CJ_FIELD_REAL:
            event_add_real(event, field->name, field->real);
            break;
        }
    }
}

/* 0 when it ends before it begins; the longest that fits when it is longer. */
static int64_t
lane_duration(int64_t begin_ns, int64_t end_ns)
{
    uint64_t duration = (uint64_t)end_ns - (uint64_t)begin_ns;

    if (end_ns <= begin_ns) {
        return 0;
    }
    return duration > INT64_MAX ? INT64_MAX : (int64_t)duration;
}

void
cj_lane_span(struct cj_lane *lane, const char *name, int64_t begin_ns, int64_t end_ns,
             const struct cj_field *fields, size_t n_fields)
{
    struct event event;

    event_begin(&event, name, 'X', begin_ns, lane->process, lane->thread);
    event_add_duration(&event, lane_duration(begin_ns, end_ns));
    event_add_fields(&event, fields, n_fields);
    lane_put(lane, &event);
}

void
cj_lane_mark(struct cj_lane *lane, const char *name, int64_t at_ns,
             const struct cj_field *fields, size_t n_fields)
{
    struct event event;

    event_begin(&event, name, 'i', at_ns, lane->process, lane->thread);
    event_add_scope(&event);
    event_add_fields(&event, fields, n_fields);
    lane_put(lane, &event);
}

void
cj_lane_count(struct cj_lane *lane, const char *name, int64_t at_ns, int64_t value)
{
    struct event event;

    event_begin(&event, name, 'C', at_ns, lane->process, lane->thread);
    event_add_number(&event, "value", value);
    lane_put(lane, &event);
}

uint64_t
cj_lane_n_dropped(const struct cj_lane *lane)
{
    return lane->n_dropped;
}
