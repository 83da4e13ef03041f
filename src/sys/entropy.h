/* Numbers nobody can guess. */

#ifndef SYS_ENTROPY_H
#define SYS_ENTROPY_H

#include <stdint.h>

#include "cjoblib/base.h"

CJ_MUST_CHECK int entropy_u64(uint64_t *ret_value);

#endif
