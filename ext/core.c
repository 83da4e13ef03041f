/* cjoblib._core: the CPython extension over the C library. Each folder below adds its types
 * and functions here by one line of a table. */

#include "compat.h"
#include "hash/digest_type.h"
#include "pickle/pickle_module.h"
#include "state.h"

#include <cjoblib/base.h>

static struct PyModuleDef core_module;

struct core_state *
core_state(PyObject *module)
{
    return PyModule_GetState(module);
}

struct core_state *
core_state_of_type(PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *module = PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE)
                               ? ((PyHeapTypeObject *)base)->ht_module
                               : NULL;

        if (module && PyModule_GetDef(module) == &core_module) {
            return PyModule_GetState(module);
        }
    }
    PyErr_Format(PyExc_TypeError, "%s is not a type of cjoblib._core", type->tp_name);
    return NULL;
}

int
core_add_type(PyObject *module, PyType_Spec *spec, PyObject **ret_type)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);

    if (!type) {
        return -1;
    }
    *ret_type = type;
    return PyModule_AddType(module, (PyTypeObject *)type);
}

static int
core_exec(PyObject *module)
{
    struct core_state *state = core_state(module);

    if (PyModule_AddStringConstant(module, "version", cj_version()) < 0) {
        return -1;
    }
    if (core_add_type(module, &digest_type_spec, &state->digest_type) < 0) {
        return -1;
    }
    return pickle_exec(module);
}

static int
core_traverse(PyObject *module, visitproc visit, void *arg)
{
    struct core_state *state = core_state(module);

#define STATE_VISIT(name) Py_VISIT(state->name);
    STATE_OBJECTS(STATE_VISIT)
#undef STATE_VISIT
    return 0;
}

static int
core_clear(PyObject *module)
{
    struct core_state *state = core_state(module);

#define STATE_CLEAR(name) Py_CLEAR(state->name);
    STATE_OBJECTS(STATE_CLEAR)
#undef STATE_CLEAR
    return 0;
}

static void
core_free(void *module)
{
    (void)core_clear(module);
}

static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    COMPAT_SLOT_SUBINTERPRETERS
    COMPAT_SLOT_GIL
    {0, NULL},
};

static struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cjoblib._core",
    .m_doc = "The C library, for the Python modules beside this one.",
    .m_size = sizeof(struct core_state),
    .m_slots = core_slots,
    .m_traverse = core_traverse,
    .m_clear = core_clear,
    .m_free = core_free,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
