/* What the subcommands of the program share. Each one is a function that takes the
 * arguments after its name and returns the program's exit code. */

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <cjoblib/store.h>

enum command_exit {
    COMMAND_FINE = 0,
    COMMAND_STORE = 1, /* something is wrong with what is in the store */
    COMMAND_USAGE = 2, /* the command line makes no sense */
    COMMAND_IO = 3,    /* a file or the output can't be read or written */
};

int command_ls(int argc, char **argv);

int command_verify(int argc, char **argv);

int command_clear(int argc, char **argv);

/* Say on stderr why something about `path` failed, for a result < 0: COMMAND_IO. */
int command_fail(const char *path, int error);

/* Say on stderr that the command line makes no sense, and why: COMMAND_USAGE. */
int command_misused(const char *why);

/* Open the store at the one location that is given; it must be there. COMMAND_FINE, or
 * what command_fail() and command_misused() return. */
int command_open(int argc, char **argv, struct cj_store **ret_store);

/* For AUTO(). */
void command_close_p(struct cj_store **store);

/* Write out what was printed. `code`, or COMMAND_IO when stdout can't take it. */
int command_finish(int code);

#endif
