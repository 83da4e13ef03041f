/* A call of a memoized function:
 *
 *      bind the arguments -> digest them -> read the entry
 *          found                   decode it: that is the result
 *          miss, corrupt, foreign  self._compute(key, outcome, args, kwargs)
 *
 * Everything that happens once per function or once per computation (names, messages,
 * warnings, storing) is Python's, in the subclass cjoblib.memory.MemorizedFunc. */

#include "memo/memo_type.h"

#include <stddef.h>

#include "hash/canonical.h"
#include "memo/bind.h"
#include "memo/store_type.h"
#include "pickle/value.h"
#include "state.h"

struct memo_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *func;
    PyObject *shelf; /* a Shelf, or None: nothing is cached */
    PyObject *dict;
    PyObject *weakrefs;
    struct bind_table table;
    int verbose;
};

static struct core_state *
memo_state(PyObject *op)
{
    return core_state_of_type(Py_TYPE(op));
}

/* The key of a call. Returns 0, BIND_MISMATCH, or -1 with an exception. */
static int
memo_key(struct memo_object *self, struct core_state *state, PyObject *const *args,
         Py_ssize_t n_args, PyObject *kwnames, uint8_t ret_key[CJ_KEY_BYTES])
{
    struct bind_result bound;
    int r = bind_call(&self->table, state->str_star, state->str_star_star, args, n_args,
                      kwnames, &bound);

    if (r == 0) {
        r = hash_pairs(state, bound.names, bound.values, bound.n, ret_key);
        bind_done(&bound);
    }
    return r;
}

/* Call `method` of the object with the key, the outcome and the call's arguments. */
static PyObject *
memo_compute(PyObject *op, struct core_state *state, const uint8_t key[CJ_KEY_BYTES],
             int outcome, PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames)
{
    Py_ssize_t n_kwargs = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *positional = PyTuple_New(n_args), *keywords = PyDict_New();
    PyObject *result = NULL;
    int r = positional && keywords ? 0 : -1;

    for (Py_ssize_t i = 0; r == 0 && i < n_args; i++) {
        PyTuple_SET_ITEM(positional, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; r == 0 && i < n_kwargs; i++) {
        r = PyDict_SetItem(keywords, PyTuple_GET_ITEM(kwnames, i), args[n_args + i]);
    }
    if (r == 0) {
        PyObject *method = PyObject_GetAttr(op, state->str_compute);

        result = method ? PyObject_CallFunction(method, "y#iOO", key,
                                                (Py_ssize_t)CJ_KEY_BYTES, outcome,
                                                positional, keywords)
                        : NULL;
        Py_XDECREF(method);
    }
    Py_XDECREF(positional);
    Py_XDECREF(keywords);
    return result;
}

/* Decode an entry; with verbosity the subclass says so. NULL with an exception when the
 * entry's bytes are sound but don't give an object. */
static PyObject *
memo_load(PyObject *op, struct core_state *state, const uint8_t key[CJ_KEY_BYTES],
          struct cj_entry *entry)
{
    struct memo_object *self = (struct memo_object *)op;
    PyObject *said, *value;

    if (self->verbose <= 1) {
        return value_decode(state, &entry->file, entry->payload);
    }
    said = PyObject_CallMethod(op, "_loading", "y#", key, (Py_ssize_t)CJ_KEY_BYTES);
    value = said ? value_decode(state, &entry->file, entry->payload) : NULL;
    Py_XDECREF(said);
    if (value && self->verbose > 10) {
        said = PyObject_CallMethod(op, "_loaded", NULL);
        if (!said) {
            Py_CLEAR(value);
        }
        Py_XDECREF(said);
    }
    return value;
}

/* What the subclass does when a sound entry can't be decoded: warn and compute again.
 */
static PyObject *
memo_load_failed(PyObject *op, struct core_state *state,
                 const uint8_t key[CJ_KEY_BYTES], PyObject *const *args,
                 Py_ssize_t n_args, PyObject *kwnames)
{
    PyObject *error, *said;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL; /* Ctrl-C and the like are not the entry's fault */
    }
    error = compat_take_exception();
    said = PyObject_CallMethod(op, "_load_failed", "y#O", key, (Py_ssize_t)CJ_KEY_BYTES,
                               error);
    Py_DECREF(error);
    if (!said) {
        return NULL;
    }
    Py_DECREF(said);
    return memo_compute(op, state, key, 0, args, n_args, kwnames);
}

static PyObject *
memo_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    struct memo_object *self = (struct memo_object *)op;
    struct core_state *state = memo_state(op);
    Py_ssize_t n_args = PyVectorcall_NARGS(nargsf);
    struct cj_entry entry = CJ_ENTRY_INIT;
    uint8_t key[CJ_KEY_BYTES];
    PyObject *value;
    int r;

    if (!state) {
        return NULL;
    }
    if (self->shelf == Py_None) {
        return PyObject_Vectorcall(self->func, args, (size_t)n_args, kwnames);
    }
    r = memo_key(self, state, args, n_args, kwnames, key);
    if (r == BIND_MISMATCH) {
        /* The function itself says best what is wrong with the call. */
        return PyObject_Vectorcall(self->func, args, (size_t)n_args, kwnames);
    }
    if (r < 0) {
        return NULL;
    }
    r = shelf_read(self->shelf, key, &entry);
    if (r < 0) {
        return memo_load_failed(op, state, key, args, n_args, kwnames);
    }
    if (r > 0) {
        return memo_compute(op, state, key, r, args, n_args, kwnames);
    }
    value = memo_load(op, state, key, &entry);
    cj_entry_done(&entry);
    return value ? value : memo_load_failed(op, state, key, args, n_args, kwnames);
}

PyDoc_STRVAR(memo_key_doc,
             "_key($self, /, *args, **kwargs)\n--\n\n"
             "The key (16 bytes) of a call; None when it does not fit the signature.");

static PyObject *
memo_key_method(PyObject *op, PyObject *const *args, Py_ssize_t n_args,
                PyObject *kwnames)
{
    struct core_state *state = memo_state(op);
    uint8_t key[CJ_KEY_BYTES];
    int r;

    if (!state) {
        return NULL;
    }
    r = memo_key((struct memo_object *)op, state, args, n_args, kwnames, key);
    if (r == BIND_MISMATCH) {
        Py_RETURN_NONE;
    }
    return r < 0 ? NULL : PyBytes_FromStringAndSize((const char *)key, sizeof(key));
}

static int
memo_table_is_whole(const struct bind_table *table)
{
    Py_ssize_t n = PyTuple_GET_SIZE(table->names);

    return PyTuple_GET_SIZE(table->defaults) == n && table->n_positional_only >= 0 &&
           table->n_positional >= table->n_positional_only &&
           table->n_positional <= n && PyFrozenSet_Check(table->ignored);
}

/* Memo(func, shelf, names, defaults, missing, ignored, n_positional_only, n_positional,
 * takes_varargs, takes_keywords, verbose) */
static PyObject *
memo_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    struct core_state *state = core_state_of_type(type);
    PyObject *func, *shelf;
    struct memo_object *self;
    struct bind_table table;
    int verbose;

    if (!state ||
        !PyArg_ParseTuple(args, "OOO!O!OOnnppi:Memo", &func, &shelf, &PyTuple_Type,
                          &table.names, &PyTuple_Type, &table.defaults, &table.missing,
                          &table.ignored, &table.n_positional_only, &table.n_positional,
                          &table.takes_varargs, &table.takes_keywords, &verbose)) {
        return NULL;
    }
    if ((kwargs && PyDict_GET_SIZE(kwargs) > 0) || !memo_table_is_whole(&table) ||
        (shelf != Py_None && !Py_IS_TYPE(shelf, (PyTypeObject *)state->shelf_type))) {
        PyErr_SetString(PyExc_TypeError,
                        "Memo: not a shelf, or not a signature's table");
        return NULL;
    }
    self = (struct memo_object *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->vectorcall = memo_vectorcall;
    self->func = Py_NewRef(func);
    self->shelf = Py_NewRef(shelf);
    self->verbose = verbose;
    self->table = table;
    Py_INCREF(table.names);
    Py_INCREF(table.defaults);
    Py_INCREF(table.missing);
    Py_INCREF(table.ignored);
    return (PyObject *)self;
}

static int
memo_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct memo_object *self = (struct memo_object *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->func);
    Py_VISIT(self->shelf);
    Py_VISIT(self->dict);
    Py_VISIT(self->table.names);
    Py_VISIT(self->table.defaults);
    Py_VISIT(self->table.missing);
    Py_VISIT(self->table.ignored);
    return 0;
}

static int
memo_clear(PyObject *op)
{
    struct memo_object *self = (struct memo_object *)op;

    Py_CLEAR(self->func);
    Py_CLEAR(self->shelf);
    Py_CLEAR(self->dict);
    Py_CLEAR(self->table.names);
    Py_CLEAR(self->table.defaults);
    Py_CLEAR(self->table.missing);
    Py_CLEAR(self->table.ignored);
    return 0;
}

static void
memo_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    if (((struct memo_object *)op)->weakrefs) {
        PyObject_ClearWeakRefs(op);
    }
    (void)memo_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* A memoized function in a class is a method: the object is its first argument. */
static PyObject *
memo_descr_get(PyObject *op, PyObject *object, PyObject *Py_UNUSED(type))
{
    if (!object || object == Py_None) {
        return Py_NewRef(op);
    }
    return PyMethod_New(op, object);
}

static PyMethodDef memo_methods[] = {
    {"_key", (PyCFunction)(void (*)(void))memo_key_method,
     METH_FASTCALL | METH_KEYWORDS, memo_key_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "See PEP 585."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef memo_members[] = {
    {"func", T_OBJECT, offsetof(struct memo_object, func), READONLY,
     "The function itself."},
    {"_shelf", T_OBJECT, offsetof(struct memo_object, shelf), READONLY,
     "Where its results are; None when they are not kept."},
    {"_verbose", T_INT, offsetof(struct memo_object, verbose), 0,
     "How much is printed: 0 nothing, 1 computations, 2 loads too, 11 all."},
    {"__dictoffset__", T_PYSSIZET, offsetof(struct memo_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct memo_object, weakrefs), READONLY,
     NULL},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct memo_object, vectorcall),
     READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef memo_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(memo_type_doc, "A function whose results are looked up in a store.");

static PyType_Slot memo_slots[] = {
    {Py_tp_doc, (void *)memo_type_doc},
    {Py_tp_new, memo_new},
    {Py_tp_dealloc, memo_dealloc},
    {Py_tp_traverse, memo_traverse},
    {Py_tp_clear, memo_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, memo_descr_get},
    {Py_tp_methods, memo_methods},
    {Py_tp_members, memo_members},
    {Py_tp_getset, memo_getset},
    {0, NULL},
};

PyType_Spec memo_type_spec = {
    .name = "cjoblib._core.Memo",
    .basicsize = sizeof(struct memo_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = memo_slots,
};
