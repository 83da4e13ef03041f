#include "sys/identity.h"

#include <unistd.h>

uint32_t
identity_user(void)
{
    return geteuid();
}
