/* dump: pickles in joblib's format, into files. */

#ifndef EXT_PERSIST_DUMP_H
#define EXT_PERSIST_DUMP_H

#include "compat.h"

extern PyMethodDef dump_methods[];

#endif
