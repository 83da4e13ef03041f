#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_read.h"
#include "report.h"

/* What is wanted of one event. */
struct report_event {
    struct json_raw name, phase, function, key, outcome, row_name;
    double begin, duration, process, thread;
    double bytes, saved;
};

static void
event_read_fields(struct json *json, struct report_event *event)
{
    struct json_raw name;

    if (!json_enter(json, '{')) {
        json_skip(json);
        return;
    }
    while (json_member(json, &name)) {
        if (json_name_is(&name, "function")) {
            (void)json_string(json, &event->function);
        }
        else if (json_name_is(&name, "key")) {
            (void)json_string(json, &event->key);
        }
        else if (json_name_is(&name, "outcome")) {
            (void)json_string(json, &event->outcome);
        }
        else if (json_name_is(&name, "name")) {
            (void)json_string(json, &event->row_name);
        }
        else if (json_name_is(&name, "bytes")) {
            (void)json_number(json, &event->bytes);
        }
        else if (json_name_is(&name, "saved")) {
            (void)json_number(json, &event->saved);
        }
        else {
            json_skip(json);
        }
    }
}

static void
event_read(struct json *json, struct report_event *event)
{
    struct json_raw name;

    while (json_member(json, &name)) {
        if (json_name_is(&name, "name")) {
            (void)json_string(json, &event->name);
        }
        else if (json_name_is(&name, "ph")) {
            (void)json_string(json, &event->phase);
        }
        else if (json_name_is(&name, "ts")) {
            (void)json_number(json, &event->begin);
        }
        else if (json_name_is(&name, "dur")) {
            (void)json_number(json, &event->duration);
        }
        else if (json_name_is(&name, "pid")) {
            (void)json_number(json, &event->process);
        }
        else if (json_name_is(&name, "tid")) {
            (void)json_number(json, &event->thread);
        }
        else if (json_name_is(&name, "args")) {
            event_read_fields(json, event);
        }
        else {
            json_skip(json);
        }
    }
}

static int
report_text(struct report *report, const struct json_raw *text, size_t *ret_number)
{
    *ret_number = 0;
    return string_set_add(&report->strings, text->data ? text->data : "", text->size,
                          ret_number);
}

/* Have names and functions for every string. */
static int
report_fit_names(struct report *report)
{
    size_t n = report->strings.n_room;
    struct report_name *names;
    struct report_function *functions;

    if (n <= report->n_names) {
        return 0;
    }
    names = realloc(report->names, n * sizeof(*names));
    if (!names) {
        return -ENOMEM;
    }
    report->names = names;
    functions = realloc(report->functions, n * sizeof(*functions));
    if (!functions) {
        return -ENOMEM;
    }
    report->functions = functions;
    memset(names + report->n_names, 0, (n - report->n_names) * sizeof(*names));
    memset(functions + report->n_names, 0, (n - report->n_names) * sizeof(*functions));
    report->n_names = n;
    return 0;
}

/* The row of an event's thread; few are looked through, the last ones first. */
static int
report_row(struct report *report, const struct report_event *event, size_t *ret_row)
{
    struct report_row *rows;

    for (size_t i = report->n_rows; i-- > 0;) {
        if (report->rows[i].thread == event->thread &&
            report->rows[i].process == event->process) {
            *ret_row = i;
            return 0;
        }
    }
    rows = realloc(report->rows, (report->n_rows + 1) * sizeof(*rows));
    if (!rows) {
        return -ENOMEM;
    }
    rows[report->n_rows] =
        (struct report_row){.process = event->process, .thread = event->thread};
    report->rows = rows;
    *ret_row = report->n_rows++;
    return 0;
}

static void
function_note(struct report_function *function, const struct report_event *event)
{
    if (json_name_is(&event->name, "call")) {
        bool is_hit = json_name_is(&event->outcome, "hit");

        function->calls++;
        function->hits += is_hit;
        function->misses += !is_hit;
        function->saved += event->saved;
    }
    else if (json_name_is(&event->name, "compute")) {
        function->spent += event->duration * 1e-6;
    }
    else if (json_name_is(&event->name, "load")) {
        function->bytes_read += event->bytes;
    }
    else if (json_name_is(&event->name, "store")) {
        function->bytes_written += event->bytes;
    }
    else if (json_name_is(&event->name, "run")) {
        function->runs++;
        function->run += event->duration * 1e-6;
    }
}

static int
span_compare(const void *a, const void *b)
{
    const struct report_span *left = a, *right = b;

    return (left->duration < right->duration) - (left->duration > right->duration);
}

/* Room for twice as many as are shown; when it is full the shorter half goes. */
static void
report_keep_span(struct report *report, const struct report_span *span)
{
    if (report->n_spans == (size_t)2 * REPORT_MAX_SPANS) {
        qsort(report->spans, report->n_spans, sizeof(*span), span_compare);
        report->n_spans = REPORT_MAX_SPANS;
    }
    report->spans[report->n_spans++] = *span;
    report->n_spans_seen++;
}

static int
report_note_span(struct report *report, const struct report_event *event)
{
    struct report_span span = {.begin = event->begin, .duration = event->duration};
    struct report_name *name;
    int r = report_row(report, event, &span.row);

    r = r < 0 ? r : report_text(report, &event->name, &span.name);
    r = r < 0 ? r : report_text(report, &event->function, &span.function);
    r = r < 0 ? r : report_text(report, &event->key, &span.key);
    r = r < 0 ? r : report_fit_names(report);
    if (r < 0) {
        return r;
    }
    name = &report->names[span.name];
    name->n++;
    name->total += event->duration;
    name->longest = name->longest > event->duration ? name->longest : event->duration;
    if (span.function) {
        function_note(&report->functions[span.function], event);
    }
    if (report->n_events == 0 || event->begin < report->begin) {
        report->begin = event->begin;
    }
    if (event->begin + event->duration > report->end) {
        report->end = event->begin + event->duration;
    }
    report->n_events++;
    report_keep_span(report, &span);
    return 0;
}

static int
report_note(struct report *report, const struct report_event *event)
{
    size_t row, name;
    int r = 0;

    if (json_name_is(&event->phase, "X")) {
        return report_note_span(report, event);
    }
    if (json_name_is(&event->phase, "M") && json_name_is(&event->name, "thread_name")) {
        r = report_row(report, event, &row);
        r = r < 0 ? r : report_text(report, &event->row_name, &name);
        if (r == 0) {
            report->rows[row].name = name;
        }
    }
    return r;
}

/* Behind the end of the line: where reading can begin again after damage. */
static const char *
report_next_line(const char *at, const char *end)
{
    const char *line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

    return line ? line + 1 : end;
}

/* Events are objects, divided by whatever stands between them: a comma, blanks, what is
 * left of a line that its writer did not end. */
static int
report_read_events(struct report *report, const char *text, size_t size)
{
    const char *end = text + size, *at = text;
    int r = 0;

    while (r == 0 && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        struct json json = {at, end};
        struct report_event event = {.begin = 0};

        (void)json_enter(&json, '{');
        event_read(&json, &event);
        if (json_is_broken(&json)) {
            report->n_damaged++;
            at = report_next_line(at + 1, end);
            continue;
        }
        r = report_note(report, &event);
        at = json.at;
    }
    return r;
}

/* Where the events begin: in the array that the text is, or in "traceEvents" of the
 * object that it is. NULL: neither. */
static const char *
report_find_events(const char *text, size_t size)
{
    struct json json = {text, text + size};
    struct json_raw name;

    if (json_enter(&json, '[')) {
        return json.at;
    }
    if (!json_enter(&json, '{')) {
        return NULL;
    }
    while (json_member(&json, &name)) {
        if (json_name_is(&name, "traceEvents")) {
            return json_enter(&json, '[') ? json.at : NULL;
        }
        json_skip(&json);
    }
    return NULL;
}

static bool
report_has_end(const char *text, size_t size)
{
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) && text[size - 1]) {
        size--;
    }
    return size > 0 && (text[size - 1] == ']' || text[size - 1] == '}');
}

int
report_read(const char *text, size_t size, struct report *ret_report)
{
    struct report report = {.is_complete = report_has_end(text, size)};
    const char *events = report_find_events(text, size);
    int r = events ? 0 : -EBADMSG;

    if (r == 0) {
        report.spans = malloc((size_t)2 * REPORT_MAX_SPANS * sizeof(*report.spans));
        r = report.spans ? 0 : -ENOMEM;
    }
    if (r == 0) {
        r = report_read_events(&report, events, size - (size_t)(events - text));
    }
    if (r < 0) {
        report_done(&report);
        return r;
    }
    qsort(report.spans, report.n_spans, sizeof(*report.spans), span_compare);
    if (report.n_spans > REPORT_MAX_SPANS) {
        report.n_spans = REPORT_MAX_SPANS;
    }
    *ret_report = report;
    return 0;
}

void
report_done(struct report *report)
{
    string_set_done(&report->strings);
    free(report->rows);
    free(report->spans);
    free(report->names);
    free(report->functions);
}
