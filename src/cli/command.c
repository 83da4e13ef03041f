#include "command.h"

#include <errno.h>
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
command_misused(const char *why)
{
    fprintf(stderr, "cjoblib: %s (try 'cjoblib --help')\n", why);
    return COMMAND_USAGE;
}

int
command_open(int argc, char **argv, struct cj_store **ret_store)
{
    static const struct cj_store_options options = {.must_exist = true};
    int r;

    if (argc < 1) {
        return command_misused("LOCATION is missing");
    }
    if (argc > 1) {
        return command_misused("only one LOCATION can be given");
    }
    if (argv[0][0] == '-') {
        return command_misused("unknown option");
    }
    r = cj_store_open(argv[0], &options, ret_store);
    return r < 0 ? command_fail(argv[0], r) : COMMAND_FINE;
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
