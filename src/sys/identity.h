/* Whose rights this process has. */

#ifndef SYS_IDENTITY_H
#define SYS_IDENTITY_H

#include <stdint.h>

/* The effective user: the owner of the files that are made now. */
uint32_t identity_user(void);

#endif
