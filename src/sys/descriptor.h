/* Closing file descriptors. */

#ifndef SYS_DESCRIPTOR_H
#define SYS_DESCRIPTOR_H

/* Close `fd` unless it is negative. Its number is free afterwards, whatever close(2)
 * says. */
void descriptor_close(int fd);

/* For AUTO(): closes what the variable holds. */
void close_p(int *fd);

#endif
