/* A copy of what a worker's program is called with, for the replacements to come. */

#ifndef POOL_PROGRAM_H
#define POOL_PROGRAM_H

#include "cjoblib/base.h"

struct program {
    char **argv;
    char **envp; /* NULL: the environment that we have when it is started */
};

/* -ENOMEM */
CJ_MUST_CHECK int program_init(struct program *program, const char *const *argv,
                               const char *const *envp);
void program_done(struct program *program);

#endif
