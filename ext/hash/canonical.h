#ifndef X
#define X
#include "compat.h"
#include "state.h"
int hash_pairs(struct core_state *state, PyObject *const *names, PyObject *const *values, size_t n, uint8_t *ret);
#endif
