#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What an error of the store means, where the system's own word would mislead. */
static const char *
command_reason(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no store here";
    case -ELOOP:
        return "a symbolic link stands in the way";
    case -EPERM:
        return "it belongs to another user, or everybody may write in it";
    default:
        return strerror(-error);
    }
}

int
command_fail(const char *path, int error)
{
    fprintf(stderr, "cjoblib: %s: %s\n", path, command_reason(error));
    return COMMAND_IO;
}

int
command_misused(const char *why, ...)
{
    va_list values;

    va_start(values, why);
    fputs("cjoblib: ", stderr);
    vfprintf(stderr, why, values);
    fputs(" (try 'cjoblib --help')\n", stderr);
    va_end(values);
    return COMMAND_USAGE;
}

int
command_take(struct arguments *arguments, const struct option *options,
             size_t n_options, int n_words)
{
    int code = options_take(arguments, options, n_options);

    if (code != COMMAND_FINE) {
        return code;
    }
    if (arguments->n < n_words) {
        return command_misused(n_words - arguments->n > 1
                                   ? "KEY and LOCATION are missing"
                                   : "LOCATION is missing");
    }
    if (arguments->n > n_words) {
        return command_misused("only one LOCATION can be given, not also '%s'",
                               arguments->items[n_words]);
    }
    return COMMAND_FINE;
}

int
command_open(const char *location, struct cj_store **ret_store)
{
    static const struct cj_store_options options = {.must_exist = true};
    int r = cj_store_open(location, &options, ret_store);

    return r < 0 ? command_fail(location, r) : COMMAND_FINE;
}

void
command_close_p(struct cj_store **store)
{
    cj_store_close(*store);
}

int
command_finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return command_fail("standard output", errno > 0 ? -errno : -EIO);
    }
    return code;
}
