/* UTF-8 (RFC 3629). */

#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* How many bytes from `at` on, of which `left` (> 0) are there, are one character; 0:
 * they are none. */
size_t utf8_length(const unsigned char *at, size_t left);

#endif
