/* delayed(function): an object that notes calls instead of making them. */

#ifndef EXT_PARALLEL_DELAYED_H
#define EXT_PARALLEL_DELAYED_H

#include "compat.h"

extern PyType_Spec delayed_type_spec;
extern PyMethodDef delayed_methods[];

#endif
