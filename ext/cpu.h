/* Functions of the module: how many processors there are, and may be used. */

#ifndef EXT_CPU_H
#define EXT_CPU_H

#include "compat.h"

extern PyMethodDef cpu_methods[];

#endif
