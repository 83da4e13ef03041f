/* load: objects out of files in joblib's format. */

#ifndef EXT_PERSIST_LOAD_H
#define EXT_PERSIST_LOAD_H

#include "compat.h"

extern PyMethodDef load_methods[];

#endif
