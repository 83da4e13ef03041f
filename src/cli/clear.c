#include <stddef.h>

#include "command.h"

int
command_clear(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    int code = command_open(argc, argv, &store);
    int r;

    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_clear(store);
    return r < 0 ? command_fail(argv[0], r) : COMMAND_FINE;
}
