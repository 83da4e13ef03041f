/* The text of one event: a JSON object, a comma, a new line. */

#ifndef TRACE_EVENT_H
#define TRACE_EVENT_H

#include <stdbool.h>

#include "cjoblib/trace.h"

/* No event is longer; what would be is left out of it. */
#define EVENT_MAX_BYTES 4096

/* Of names and texts so many bytes are taken. */
#define EVENT_MAX_TEXT 200

struct event {
    size_t size;
    bool has_fields; /* "args" has been begun */
    char text[EVENT_MAX_BYTES];
};

/* Begin: name, phase ('X', 'C', 'i', 'M'), when, and whose it is. */
void event_begin(struct event *event, const char *name, char phase, int64_t at_ns,
                 int64_t process, int64_t thread);

/* "dur", of a complete event; "s", the scope of an instant. Before any field. */
void event_add_duration(struct event *event, int64_t duration_ns);
void event_add_scope(struct event *event);

void event_add_text(struct event *event, const char *name, struct cj_bytes text);
void event_add_number(struct event *event, const char *name, int64_t number);
void event_add_real(struct event *event, const char *name, double real);

void event_end(struct event *event);

#endif
