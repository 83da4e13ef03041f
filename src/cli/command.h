/* What the subcommands of the program share. Each one is a function that takes the
 * arguments after its name and returns the program's exit code. */

#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>

#include <cjoblib/store.h>

#include "options.h"

enum command_exit {
    COMMAND_FINE = 0,
    COMMAND_STORE = 1, /* something is wrong with what is in the store */
    COMMAND_USAGE = 2, /* the command line makes no sense */
    COMMAND_IO = 3,    /* a file or the output can't be read or written */
};

int command_clear(int argc, char **argv);
int command_gc(int argc, char **argv);
int command_info(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_report(int argc, char **argv);
int command_run(int argc, char **argv);
int command_show(int argc, char **argv);
int command_verify(int argc, char **argv);

/* Say on stderr why something about `path` failed, for a result < 0: COMMAND_IO. */
int command_fail(const char *path, int error);

/* Say on stderr that the command line makes no sense, and why: COMMAND_USAGE. */
int command_misused(const char *why, ...) __attribute__((format(printf, 1, 2)));

/* Take the options; `n_words` words must be left, of which the last one is the
 * location. COMMAND_FINE, or what command_misused() returns. */
int command_take(struct arguments *arguments, const struct option *options,
                 size_t n_options, int n_words);

/* Open the store at `location`, which must be there. COMMAND_FINE, or what
 * command_fail() returns. */
int command_open(const char *location, struct cj_store **ret_store);

/* For AUTO(). */
void command_close_p(struct cj_store **store);

/* Write out what was printed. `code`, or COMMAND_IO when stdout can't take it. */
int command_finish(int code);

#endif
