#include <stddef.h>

#include "command.h"

int
command_clear(int argc, char **argv)
{
    __attribute__((cleanup(command_close_p))) struct cj_store *store = NULL;
    struct arguments left = {argc, argv};
    int code = command_take(&left, NULL, 0, 1), r;

    if (code == COMMAND_FINE) {
        code = command_open(left.items[0], &store);
    }
    if (code != COMMAND_FINE) {
        return code;
    }
    r = cj_store_clear(store);
    return r < 0 ? command_fail(left.items[0], r) : COMMAND_FINE;
}
