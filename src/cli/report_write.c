#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "report.h"
#include "table.h"

/* Where the data goes in the page. */
static const char report_place[] = "@DATA@";

/* How long the escape at `at` is; 0: it is none that JSON knows. */
static size_t
escape_length(const char *at)
{
    if (at[0] != '\\' || at[1] == '\0') {
        return 0;
    }
    if (at[1] == 'u') {
        for (int i = 2; i < 6; i++) {
            if (!isxdigit((unsigned char)at[i])) {
                return 0;
            }
        }
        return 6;
    }
    return strchr("\"\\/bfnrt", at[1]) ? 2 : 0;
}

/* Texts of the trace are JSON already, and are made harmless inside of HTML. */
static void
write_text(FILE *out, const char *text)
{
    fputc('"', out);
    while (*text) {
        size_t n = escape_length(text);

        if (n > 0) {
            fwrite(text, 1, n, out);
            text += n;
            continue;
        }
        if (*text == '<' || *text == '>' || *text == '&' || *text == '\\' ||
            *text == '"') {
            fprintf(out, "\\u%04x", (unsigned)*text);
        }
        else {
            fputc(*text, out);
        }
        text++;
    }
    fputc('"', out);
}

static void
write_rows(FILE *out, const struct report *report)
{
    fputs(",\"rows\":[", out);
    for (size_t i = 0; i < report->n_rows; i++) {
        const struct report_row *row = &report->rows[i];

        fprintf(out, "%s[%.0f,%.0f,%zu]", i > 0 ? "," : "", row->process, row->thread,
                row->name);
    }
    fputs("]", out);
}

static void
write_spans(FILE *out, const struct report *report)
{
    fputs(",\"spans\":[", out);
    for (size_t i = 0; i < report->n_spans; i++) {
        const struct report_span *span = &report->spans[i];

        fprintf(out, "%s[%zu,%zu,%.3f,%.3f,%zu,%zu]", i > 0 ? ",\n" : "", span->row,
                span->name, span->begin - report->begin, span->duration, span->function,
                span->key);
    }
    fputs("]", out);
}

static void
write_names(FILE *out, const struct report *report)
{
    bool is_first = true;

    fputs(",\"names\":[", out);
    for (size_t i = 0; i < report->n_names && i < report->strings.n; i++) {
        const struct report_name *name = &report->names[i];

        if (name->n > 0) {
            fprintf(out, "%s[%zu,%.0f,%.3f,%.3f]", is_first ? "" : ",\n", i, name->n,
                    name->total, name->longest);
            is_first = false;
        }
    }
    fputs("],\"functions\":[", out);
    is_first = true;
    for (size_t i = 1; i < report->n_names && i < report->strings.n; i++) {
        const struct report_function *f = &report->functions[i];

        if (f->calls > 0 || f->runs > 0) {
            fprintf(out, "%s[%zu,%.0f,%.0f,%.0f,%.6f,%.6f,%.0f,%.0f,%.0f,%.6f]",
                    is_first ? "" : ",\n", i, f->calls, f->hits, f->misses, f->spent,
                    f->saved, f->bytes_read, f->bytes_written, f->runs, f->run);
            is_first = false;
        }
    }
    fputs("]", out);
}

static void
write_data(FILE *out, const struct report *report, const char *title)
{
    fputs("{\"title\":", out);
    write_text(out, title);
    fprintf(out,
            ",\"duration\":%.3f,\"events\":%zu,\"seen\":%zu,\"damaged\":%zu,"
            "\"complete\":%s,\"strings\":[",
            report->end - report->begin, report->n_events, report->n_spans_seen,
            report->n_damaged, report->is_complete ? "true" : "false");
    for (size_t i = 0; i < report->strings.n; i++) {
        fputs(i > 0 ? ",\n" : "", out);
        write_text(out, report->strings.items[i]);
    }
    fputs("]", out);
    write_rows(out, report);
    write_names(out, report);
    write_spans(out, report);
    fputs("}", out);
}

void
report_write(FILE *out, const struct report *report, const char *title)
{
    for (const char *const *line = report_page; *line; line++) {
        const char *place = strstr(*line, report_place);

        if (!place) {
            fputs(*line, out);
            continue;
        }
        fwrite(*line, 1, (size_t)(place - *line), out);
        write_data(out, report, title);
        fputs(place + sizeof(report_place) - 1, out);
    }
}

void
report_print(const struct report *report)
{
    bool has_colour = table_has_colour();

    printf("%zu spans, %.3f s%s\n\n%s%8s %8s %10s %10s  %s%s\n", report->n_spans_seen,
           (report->end - report->begin) * 1e-6,
           report->is_complete ? "" : " (the trace has no end: it runs, or was killed)",
           has_colour ? "\033[1m" : "", "calls", "hits", "spent, s", "saved, s",
           "function", has_colour ? "\033[0m" : "");
    for (size_t i = 1; i < report->n_names && i < report->strings.n; i++) {
        const struct report_function *f = &report->functions[i];

        if (f->calls > 0 || f->runs > 0) {
            printf("%8.0f %8.0f %10.3f %10.3f  ", f->calls > 0 ? f->calls : f->runs,
                   f->hits, f->spent > 0 ? f->spent : f->run, f->saved);
            table_print(stdout, report->strings.items[i],
                        strlen(report->strings.items[i]));
            fputc('\n', stdout);
        }
    }
}
