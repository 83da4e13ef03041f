#include "pool/program.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

/* The pointers and, behind them, the texts: one block. */
static int
strings_copy(const char *const *strings, char ***ret_copy)
{
    size_t n = 0, n_bytes = 0, size;
    char **copy, *text;

    while (strings[n]) {
        n_bytes += strlen(strings[n++]) + 1;
    }
    copy = mem_alloc((n + 1) * sizeof(*copy) + n_bytes);
    if (!copy) {
        return -ENOMEM;
    }
    text = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        size = strlen(strings[i]) + 1;
        copy[i] = memcpy(text, strings[i], size);
        text += size;
    }
    copy[n] = NULL;
    *ret_copy = copy;
    return 0;
}

int
program_init(struct program *program, const char *const *argv, const char *const *envp)
{
    int r;

    *program = (struct program){NULL, NULL};
    r = strings_copy(argv, &program->argv);
    if (r == 0 && envp) {
        r = strings_copy(envp, &program->envp);
    }
    if (r < 0) {
        program_done(program);
    }
    return r;
}

void
program_done(struct program *program)
{
    mem_free(program->argv);
    mem_free(program->envp);
    *program = (struct program){NULL, NULL};
}
