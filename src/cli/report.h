/* `cjoblib report`: a trace, summed up on one page.
 *
 *      report_read()    the events -> rows, names, functions, spans      report_read.c
 *      report_write()   those as JSON, inside the page                   report_write.c
 *      report_page      the page itself, made from report.html
 */

#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "string_set.h"

/* Shown in the timeline; of more spans the longest are kept. */
#define REPORT_MAX_SPANS 20000

/* A thread of a process. */
struct report_row {
    double process, thread;
    size_t name; /* among the strings */
};

struct report_span {
    size_t row, name, function, key; /* 0: no such field */
    double begin, duration;          /* microseconds */
};

/* All spans of one name. */
struct report_name {
    double n, total, longest; /* microseconds */
};

/* All calls of one function. */
struct report_function {
    double calls, hits, misses;
    double spent, saved; /* seconds: computing; not computing what was found */
    double bytes_read, bytes_written;
    double runs, run; /* by workers, and seconds of these */
};

struct report {
    struct string_set strings;
    struct report_row *rows;
    struct report_span *spans;
    struct report_name *names;         /* by the string's number */
    struct report_function *functions; /* likewise */
    size_t n_rows, n_spans, n_names;
    size_t n_events, n_spans_seen, n_damaged;
    double begin, end; /* of the first and the last event; microseconds */
    bool is_complete;  /* the program that wrote it ended it */
};

/* 0; -EBADMSG: this is no trace; -ENOMEM. */
int report_read(const char *text, size_t size, struct report *ret_report);
void report_done(struct report *report);

/* The page; errors are the stream's. */
void report_write(FILE *out, const struct report *report, const char *title);

/* In text, for a terminal. */
void report_print(const struct report *report);

/* Its lines; NULL at the end. */
extern const char *const report_page[];

#endif
