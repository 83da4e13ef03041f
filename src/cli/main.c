/* The program `cjoblib`: what can be done to a store from a shell. It uses the public
 * headers only. */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const char main_help[] =
    "cjoblib - look after a store of cached results, and cache what commands do\n"
    "\n"
    "usage: cjoblib ls [--json] LOCATION            list the entries\n"
    "       cjoblib info [--json] LOCATION          how many, how large, by function\n"
    "       cjoblib show [--json] KEY LOCATION      all that is known of one entry\n"
    "       cjoblib gc [LIMITS] [--json] LOCATION   remove the least recently used\n"
    "       cjoblib verify [--fix] [--json] LOCATION\n"
    "                                               read and check all; with --fix\n"
    "                                               remove what is damaged or left "
    "over\n"
    "       cjoblib clear LOCATION                  remove all entries\n"
    "       cjoblib run [OPTIONS] [--] COMMAND [ARGUMENT]...\n"
    "                                               run it, or give what it gave "
    "before\n"
    "       cjoblib report TRACE [-o PAGE]          sum up a trace; as one HTML page\n"
    "       cjoblib --version\n"
    "       cjoblib --help\n"
    "\n"
    "LOCATION is the folder that was given to cjoblib.Memory or cj_store_open().\n"
    "KEY is an entry's key, or the first digits of it (4 or more).\n"
    "TRACE is what cjoblib.trace() or cj_trace_open() wrote; PAGE '-' is standard "
    "output.\n"
    "\n"
    "gc:   --max-bytes SIZE  keep at most this much, such as 500M or 10G\n"
    "      --max-items N     keep at most so many entries\n"
    "      --max-age AGE     keep what was used within 90s, 15m, 12h, 30d, 2w\n"
    "\n"
    "run:  --cache DIR       where to keep results (default: $CJOBLIB_CACHE, else\n"
    "                        $XDG_CACHE_HOME/cjoblib-run or ~/.cache/cjoblib-run)\n"
    "      --input FILE      its content is part of the key; '-': standard input\n"
    "      --output FILE     written by the command; kept, and written again\n"
    "      --env VAR         its value is part of the key\n"
    "      --only-success    keep nothing of a command that fails\n"
    "   A result is found again by the command's arguments, the content of its "
    "program\n"
    "   and of its inputs, and the variables; then standard output, standard error, "
    "the\n"
    "   exit status and the output files are given without running it. Without\n"
    "   '--input -' the command reads an empty standard input. Of commands that run "
    "at\n"
    "   the same time with the same key, one runs and the others wait for its result.\n"
    "\n"
    "exit status: 0    fine\n"
    "             1    entries are damaged and were not removed; no such KEY\n"
    "             2    wrong usage\n"
    "             3    a file can't be read or written, or there is no store\n"
    "       run:  125  wrong usage, or an input or output file is missing\n"
    "             126  COMMAND can't be run\n"
    "             127  COMMAND can't be found\n"
    "             128+N  signal N killed it\n"
    "             else COMMAND's own\n";

static int
main_help_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs(main_help, stdout);
    return COMMAND_FINE;
}

static int
main_version_command(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("cjoblib %s\n", cj_version());
    return COMMAND_FINE;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} main_commands[] = {
    {"ls", command_ls},
    {"info", command_info},
    {"show", command_show},
    {"gc", command_gc},
    {"verify", command_verify},
    {"clear", command_clear},
    {"report", command_report},
    {"run", command_run},
    {"--help", main_help_command},
    {"--version", main_version_command},
};

int
main(int argc, char **argv)
{
    /* A reader that went away is an error like any other, with a message and a code. */
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        return command_misused("what is to be done is missing");
    }
    for (size_t i = 0; i < sizeof(main_commands) / sizeof(main_commands[0]); i++) {
        if (strcmp(argv[1], main_commands[i].name) == 0) {
            return command_finish(main_commands[i].run(argc - 2, argv + 2));
        }
    }
    return command_misused("unknown command '%s'", argv[1]);
}
