#include "cpu.h"

#include <cjoblib/cpu.h>

#include "errors.h"

/* `root`, a path or None, as bytes (None stays None); NULL with an exception. */
static PyObject *
root_path(PyObject *root)
{
    PyObject *path = NULL;

    if (root == Py_None) {
        return Py_NewRef(root);
    }
    return PyUnicode_FSConverter(root, &path) ? path : NULL;
}

static const char *
root_text(PyObject *path)
{
    return path == Py_None ? NULL : PyBytes_AS_STRING(path);
}

PyDoc_STRVAR(cpu_look_doc,
             "cpu_look($module, root=None, /)\n--\n\n"
             "Processors on line, those that this thread may run on, and the share of "
             "its\ncontrol groups (0: no limit). `root` is where proc/ and sys/ are.");

static PyObject *
cpu_look(PyObject *module, PyObject *args)
{
    PyObject *root = Py_None, *path;
    struct cj_cpu cpu;
    int r;

    (void)module;
    if (!PyArg_ParseTuple(args, "|O:cpu_look", &root) || !(path = root_path(root))) {
        return NULL;
    }
    r = cj_cpu_look(root_text(path), &cpu);
    Py_DECREF(path);
    if (r < 0) {
        return error_raise(r, root);
    }
    return Py_BuildValue("nnn", (Py_ssize_t)cpu.n_online, (Py_ssize_t)cpu.n_affinity,
                         (Py_ssize_t)cpu.n_quota);
}

PyDoc_STRVAR(cpu_count_cores_doc,
             "cpu_count_cores($module, root=None, /)\n--\n\n"
             "Physical cores on line. OSError: the kernel does not say.");

static PyObject *
cpu_count_cores(PyObject *module, PyObject *args)
{
    PyObject *root = Py_None, *path;
    size_t n_cores;
    int r;

    (void)module;
    if (!PyArg_ParseTuple(args, "|O:cpu_count_cores", &root) ||
        !(path = root_path(root))) {
        return NULL;
    }
    r = cj_cpu_count_cores(root_text(path), &n_cores);
    Py_DECREF(path);
    if (r < 0) {
        return error_raise(r, root);
    }
    return PyLong_FromSize_t(n_cores);
}

PyMethodDef cpu_methods[] = {
    {"cpu_look", cpu_look, METH_VARARGS, cpu_look_doc},
    {"cpu_count_cores", cpu_count_cores, METH_VARARGS, cpu_count_cores_doc},
    {NULL, NULL, 0, NULL},
};
