#include "report.h"

#include <cjoblib/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

struct report_file {
    char *text;
    size_t size;
};

/* The file, mapped. */
static int
report_open(const char *path, struct report_file *ret_file)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
    struct stat facts;
    void *text;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &facts) < 0) {
        r = -errno;
    }
    else if (S_ISDIR(facts.st_mode)) {
        r = -EISDIR;
    }
    else if (!S_ISREG(facts.st_mode) || facts.st_size == 0) {
        r = -EBADMSG;
    }
    if (r == 0) {
        text = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        r = text == MAP_FAILED ? -errno : 0;
    }
    close(fd);
    if (r == 0) {
        *ret_file = (struct report_file){text, (size_t)facts.st_size};
    }
    return r;
}

static int
report_load(const char *path, struct report *ret_report)
{
    struct report_file file = {NULL, 0};
    int r = report_open(path, &file);

    if (r == 0) {
        r = report_read(file.text, file.size, ret_report);
        munmap(file.text, file.size);
    }
    if (r == -EBADMSG) {
        fprintf(stderr, "cjoblib: %s: this is not a trace\n", path);
        return COMMAND_IO;
    }
    return r < 0 ? command_fail(path, r) : COMMAND_FINE;
}

/* The page, as a whole or not at all. */
static int
report_save(const struct report *report, const char *title, const char *path)
{
    struct cj_bytes page = {NULL, 0};
    struct cj_file *file;
    char *text = NULL;
    FILE *out = open_memstream(&text, &page.size);
    int r = out ? 0 : -ENOMEM;

    if (r == 0) {
        report_write(out, report, title);
        r = fclose(out) == 0 ? 0 : -ENOMEM;
    }
    page.data = text;
    if (r == 0) {
        r = cj_file_open(path, NULL, &file);
    }
    if (r == 0) {
        r = cj_file_write(file, &page, 1);
        r = r < 0 ? r : cj_file_publish(file);
        cj_file_close(file);
    }
    free(text);
    return r < 0 ? command_fail(path, r) : COMMAND_FINE;
}

static int
report_give(const struct report *report, const char *trace, const char *path)
{
    const char *slash = strrchr(trace, '/');
    int code = COMMAND_FINE;

    if (!path) {
        report_print(report);
    }
    else if (strcmp(path, "-") == 0) {
        report_write(stdout, report, slash ? slash + 1 : trace);
    }
    else {
        code = report_save(report, slash ? slash + 1 : trace, path);
    }
    if (code == COMMAND_FINE &&
        report->n_damaged > (report->is_complete ? 0 : report->n_rows)) {
        fprintf(stderr, "cjoblib: %s: %zu events can't be read, the rest is shown\n",
                trace, report->n_damaged);
        return COMMAND_STORE;
    }
    return code;
}

int
command_report(int argc, char **argv)
{
    const char *path = NULL, *trace;
    const struct option options[] = {{"-o", OPTION_TEXT, &path},
                                     {"--output", OPTION_TEXT, &path}};
    struct arguments left = {argc, argv};
    struct report report;
    int code = options_take(&left, options, 2);

    if (code != COMMAND_FINE) {
        return code;
    }
    if (left.n == 0) {
        return command_misused("report: TRACE is missing");
    }
    trace = left.items[0];
    left.n--;
    left.items++;
    /* Options may also follow: `cjoblib report run.json -o report.html`. */
    code = options_take(&left, options, 2);
    if (code == COMMAND_FINE && left.n > 0) {
        code = command_misused("report: only one TRACE can be given, not also '%s'",
                               left.items[0]);
    }
    if (code == COMMAND_FINE) {
        code = report_load(trace, &report);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    code = report_give(&report, trace, path);
    report_done(&report);
    return code;
}
