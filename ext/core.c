/* cjoblib._core: the CPython extension over the C library. Each folder below adds its
 * types and functions here by one line of a table. */

#include "compat.h"
#include <cjoblib/base.h>
#include <cjoblib/store.h>

#include "cpu.h"
#include "hash/canonical.h"
#include "hash/digest_type.h"
#include "memo/lease_type.h"
#include "memo/memo_type.h"
#include "memo/shelf_type.h"
#include "memo/store_type.h"
#include "parallel/blocks.h"
#include "parallel/call.h"
#include "parallel/delayed.h"
#include "parallel/pool_type.h"
#include "parallel/run_type.h"
#include "parallel/shared.h"
#include "parallel/threads.h"
#include "parallel/worker.h"
#include "persist/dump.h"
#include "persist/load.h"
#include "pickle/codec_files.h"
#include "pickle/pickle_module.h"
#include "pickle/region.h"
#include "pickle/unpickler_module.h"
#include "pickle/value.h"
#include "state.h"
#include "trace/tracer.h"

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
core_add_types(PyObject *module, struct core_state *state)
{
    const struct {
        PyType_Spec *spec;
        PyObject **ret_type;
    } types[] = {
        {&decoder_type_spec, &state->decoder_type},
        {&delayed_type_spec, &state->delayed_type},
        {&digest_type_spec, &state->digest_type},
        {&encoder_type_spec, &state->encoder_type},
        {&lease_type_spec, &state->lease_type},
        {&lane_type_spec, &state->lane_type},
        {&memo_type_spec, &state->memo_type},
        {&pool_type_spec, &state->pool_type},
        {&block_type_spec, &state->block_type},
        {&run_type_spec, &state->run_type},
        {&region_type_spec, &state->region_type},
        {&shared_type_spec, &state->shared_type},
        {&shelf_type_spec, &state->shelf_type},
        {&store_type_spec, &state->store_type},
        {&threads_type_spec, &state->threads_type},
        {&tracer_type_spec, &state->tracer_type},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (core_add_type(module, types[i].spec, types[i].ret_type) < 0) {
            return -1;
        }
    }
    return 0;
}

/* The exceptions are pickle's own; its C part alone imports quickly. */
static int
core_import_pickle(struct core_state *state)
{
    PyObject *pickle = PyImport_ImportModule("_pickle");

    if (pickle) {
        state->pickling_error = PyObject_GetAttrString(pickle, "PicklingError");
        state->unpickling_error = PyObject_GetAttrString(pickle, "UnpicklingError");
        Py_DECREF(pickle);
    }
    return state->pickling_error && state->unpickling_error ? 0 : -1;
}

static int
core_make_names(PyObject *module, struct core_state *state)
{
    state->str_compute = PyUnicode_InternFromString("_compute");
    state->delayed_function = PyObject_GetAttrString(module, "delayed");
    state->str_star = PyUnicode_InternFromString("*");
    state->str_star_star = PyUnicode_InternFromString("**");
    return state->delayed_function && state->str_compute && state->str_star &&
                   state->str_star_star
               ? 0
               : -1;
}

static int
core_add_event_kinds(PyObject *module)
{
    static const char *const names[] = {
#define KIND_NAME(name) #name,
        EVENT_KINDS(KIND_NAME)
#undef KIND_NAME
    };
    int r = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && r == 0; i++) {
        r = PyModule_AddIntConstant(module, names[i], (long)i);
    }
    return r;
}

static int
core_add_constants(PyObject *module)
{
    return PyModule_AddStringConstant(module, "version", cj_version()) < 0 ||
                   PyModule_AddIntConstant(module, "MISS", CJ_STORE_MISS) < 0 ||
                   PyModule_AddIntConstant(module, "CORRUPT", CJ_STORE_CORRUPT) < 0 ||
                   PyModule_AddIntConstant(module, "FOREIGN", CJ_STORE_FOREIGN) < 0 ||
                   PyModule_AddFunctions(module, call_methods) < 0 ||
                   PyModule_AddFunctions(module, cpu_methods) < 0 ||
                   core_add_event_kinds(module) < 0 ||
                   PyModule_AddFunctions(module, delayed_methods) < 0 ||
                   PyModule_AddFunctions(module, tracer_methods) < 0 ||
                   PyModule_AddFunctions(module, dump_methods) < 0 ||
                   PyModule_AddFunctions(module, load_methods) < 0 ||
                   PyModule_AddFunctions(module, value_methods) < 0 ||
                   PyModule_AddFunctions(module, worker_methods) < 0
               ? -1
               : 0;
}

static int
core_exec(PyObject *module)
{
    struct core_state *state = core_state(module);

    return core_add_constants(module) < 0 || core_add_types(module, state) < 0 ||
                   core_import_pickle(state) < 0 || lease_exec(state) < 0 ||
                   core_make_names(module, state) < 0 ||
                   canonical_exec(module, state) < 0 ||
                   unpickler_module_exec(module) < 0 || pickle_exec(module) < 0
               ? -1
               : 0;
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
    COMPAT_SLOT_SUBINTERPRETERS COMPAT_SLOT_GIL{0, NULL},
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
