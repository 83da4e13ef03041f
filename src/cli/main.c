/* The program `cjoblib`: what can be done to a store from a shell. It uses the public
 * headers only. */

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const char main_help[] =
    "usage: cjoblib ls LOCATION              list the entries of a store\n"
    "       cjoblib verify [--fix] LOCATION  read and check all of it; with --fix\n"
    "                                        remove what is damaged or left over\n"
    "       cjoblib clear LOCATION           remove all entries\n"
    "       cjoblib --version\n"
    "       cjoblib --help\n"
    "\n"
    "LOCATION is the folder that was given to cjoblib.Memory or cj_store_open().\n"
    "\n"
    "exit status: 0  fine\n"
    "             1  entries are damaged, and were not removed\n"
    "             2  wrong usage\n"
    "             3  a file can't be read or written, or there is no store\n";

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
    {"verify", command_verify},
    {"clear", command_clear},
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
    return command_misused("unknown command");
}
