/* What must still be as it was when a function's identity was taken: a flat tuple
 *
 *      (place, name, expected,  place, name, expected,  ...)
 *
 *      place is a function  its code, defaults and keyword defaults are the items of
 *                           the tuple `expected`
 *      place is a cell      it holds `expected`; NULL, an empty cell, is never expected
 *      place is a dict      it has `expected` under `name`
 *
 * Objects are compared by identity, so that a look costs nanoseconds. */

#ifndef EXT_MEMO_WATCH_H
#define EXT_MEMO_WATCH_H

#include "compat.h"

/* 1: all is as expected; 0: something is not; -1 with an exception. */
int watch_holds(PyObject *watch);

/* Whether `watch` has the form above. */
int watch_is_whole(PyObject *watch);

#endif
