#include "errors.h"

#include <errno.h>

PyObject *
error_raise(int r, PyObject *what)
{
    if (r == -ENOMEM) {
        return PyErr_NoMemory();
    }
    errno = -r;
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, what);
}
