#include "sys/spawn_rest.h"

int
spawn_rest_close(posix_spawn_file_actions_t *actions, int first_fd)
{
    return -posix_spawn_file_actions_addclosefrom_np(actions, first_fd);
}
