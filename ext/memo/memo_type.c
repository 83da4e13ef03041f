/* A call of a memoized function:
 *
 *      look whether the function is still what it was       no: self._renew()
 *      bind the arguments -> digest them -> read the entry
 *          found                   ask self._is_valid(), if it is to be asked; decode
 *          miss, corrupt, foreign  self._compute(key, outcome, args, kwargs)
 *
 * A call that does not fit the signature is self._refuse()d. Without a shelf, and when
 * loads are to be talked about, self._call_through() does it all.
 *
 * Everything that happens once per function or once per computation (names, messages,
 * warnings, storing) is Python's, in the subclass cjoblib.memory.MemorizedFunc. */

#include "memo/memo_type.h"

#include <stddef.h>

#include "hash/canonical.h"
#include "memo/bind.h"
#include "memo/memo_trace.h"
#include "memo/store_type.h"
#include "memo/watch.h"
#include "pickle/value.h"
#include "state.h"
#include "trace/tracer.h"

/* Above this verbosity a hit is talked about. */
#define MEMO_QUIET 1

struct memo_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *func;         /* NULL until __init__() */
    PyObject *shelf;        /* a Shelf, or None: Python looks entries up */
    PyObject *rules;        /* tuple: what `table` borrows from */
    PyObject *key_function; /* None, or what makes a key of the arguments */
    PyObject *watch;        /* tuple for watch_holds(), or None: _renew() first */
    PyObject *dict;
    PyObject *weakrefs;
    struct bind_table table;
    int verbose;
    char is_asked; /* _is_valid() has a say in each hit */
};

/* What one call works with, whatever another thread does to the object meanwhile. */
struct memo_view {
    PyObject *shelf;
    PyObject *rules;
    PyObject *key_function;
    struct bind_table table;
};

/* The arguments of one call, in vectorcall form. */
struct memo_call {
    PyObject *const *args;
    Py_ssize_t n_args;
    PyObject *kwnames;
};

static struct core_state *
memo_state(PyObject *op)
{
    return core_state_of_type(Py_TYPE(op));
}

static void
view_take(const struct memo_object *self, struct memo_view *ret_view)
{
    ret_view->shelf = Py_NewRef(self->shelf);
    ret_view->rules = Py_NewRef(self->rules);
    ret_view->key_function = Py_NewRef(self->key_function);
    ret_view->table = self->table;
}

static void
view_done(struct memo_view *view)
{
    Py_DECREF(view->shelf);
    Py_DECREF(view->rules);
    Py_DECREF(view->key_function);
}

/* The key that the user's own function makes of the arguments. */
static int
key_by_function(const struct memo_view *view, struct core_state *state,
                const struct memo_call *call, uint8_t ret_key[CJ_KEY_BYTES])
{
    PyObject *value = PyObject_Vectorcall(view->key_function, call->args,
                                          (size_t)call->n_args, call->kwnames);
    int r = value ? hash_object(state, value, ret_key) : -1;

    Py_XDECREF(value);
    return r;
}

/* The key of a call. Returns 0, BIND_MISMATCH, or -1 with an exception. */
static int
memo_key(const struct memo_view *view, struct core_state *state,
         const struct memo_call *call, uint8_t ret_key[CJ_KEY_BYTES])
{
    struct bind_result bound;
    int r;

    if (view->key_function != Py_None) {
        return key_by_function(view, state, call, ret_key);
    }
    r = bind_call(&view->table, state->str_star, state->str_star_star, call->args,
                  call->n_args, call->kwnames, &bound);
    if (r == 0) {
        r = hash_pairs(state, bound.names, bound.values, bound.n, ret_key);
        bind_done(&bound);
    }
    return r;
}

/* The arguments as the tuple and the dict that Python code takes. */
static int
call_unpack(const struct memo_call *call, PyObject **ret_args, PyObject **ret_kwargs)
{
    Py_ssize_t n_kwargs = call->kwnames ? PyTuple_GET_SIZE(call->kwnames) : 0;
    PyObject *positional = PyTuple_New(call->n_args), *keywords = PyDict_New();
    int r = positional && keywords ? 0 : -1;

    for (Py_ssize_t i = 0; r == 0 && i < call->n_args; i++) {
        PyTuple_SET_ITEM(positional, i, Py_NewRef(call->args[i]));
    }
    for (Py_ssize_t i = 0; r == 0 && i < n_kwargs; i++) {
        r = PyDict_SetItem(keywords, PyTuple_GET_ITEM(call->kwnames, i),
                           call->args[call->n_args + i]);
    }
    if (r < 0) {
        Py_XDECREF(positional);
        Py_XDECREF(keywords);
        return -1;
    }
    *ret_args = positional;
    *ret_kwargs = keywords;
    return 0;
}

/* Let a method of the object do it: method(args, kwargs). */
static PyObject *
memo_pass(PyObject *op, const char *method, const struct memo_call *call)
{
    PyObject *args, *kwargs, *result;

    if (call_unpack(call, &args, &kwargs) < 0) {
        return NULL;
    }
    result = PyObject_CallMethod(op, method, "NN", args, kwargs);
    return result;
}

static PyObject *
memo_compute(PyObject *op, struct core_state *state, const uint8_t key[CJ_KEY_BYTES],
             int outcome, const struct memo_call *call)
{
    PyObject *args, *kwargs, *method, *result;

    if (call_unpack(call, &args, &kwargs) < 0) {
        return NULL;
    }
    method = PyObject_GetAttr(op, state->str_compute);
    result = method
                 ? PyObject_CallFunction(method, "y#iOO", key, (Py_ssize_t)CJ_KEY_BYTES,
                                         outcome, args, kwargs)
                 : NULL;
    Py_XDECREF(method);
    Py_DECREF(args);
    Py_DECREF(kwargs);
    return result;
}

/* What the subclass does when a sound entry can't be read or decoded: compute again,
 * and say so. */
static PyObject *
memo_load_failed(PyObject *op, const uint8_t key[CJ_KEY_BYTES],
                 const struct memo_call *call)
{
    PyObject *error, *args, *kwargs, *result;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL; /* Ctrl-C and the like are not the entry's fault */
    }
    error = compat_take_exception();
    if (call_unpack(call, &args, &kwargs) < 0) {
        Py_DECREF(error);
        return NULL;
    }
    result = PyObject_CallMethod(op, "_load_failed", "y#NNN", key,
                                 (Py_ssize_t)CJ_KEY_BYTES, error, args, kwargs);
    return result;
}

/* Whether the metadata says that the entry still counts. */
static int
memo_ask(PyObject *op, const uint8_t key[CJ_KEY_BYTES], const struct cj_entry *entry)
{
    PyObject *said =
        PyObject_CallMethod(op, "_is_valid", "y#y#", key, (Py_ssize_t)CJ_KEY_BYTES,
                            entry->meta.data ? (const char *)entry->meta.data : "",
                            (Py_ssize_t)entry->meta.size);
    int r = said ? PyObject_IsTrue(said) : -1;

    Py_XDECREF(said);
    return r;
}

/* The value of an entry that was found, which is released. */
static PyObject *
memo_load(PyObject *op, struct core_state *state, const uint8_t key[CJ_KEY_BYTES],
          struct cj_entry *entry, const struct memo_call *call)
{
    int r = ((struct memo_object *)op)->is_asked ? memo_ask(op, key, entry) : 1;
    PyObject *value;

    if (r <= 0) {
        cj_entry_done(entry);
        return r < 0 ? NULL : memo_compute(op, state, key, CJ_STORE_MISS, call);
    }
    value = value_decode(state, &entry->file, entry->payload);
    cj_entry_done(entry);
    return value ? value : memo_load_failed(op, key, call);
}

/* The value of a call whose key is known. `begin_ns`: 0, or when it began, for whoever
 * traces. */
static PyObject *
memo_fetch(PyObject *op, struct core_state *state, const struct memo_view *view,
           const uint8_t key[CJ_KEY_BYTES], const struct memo_call *call,
           int64_t begin_ns)
{
    struct cj_entry entry = CJ_ENTRY_INIT;
    int64_t read_ns = begin_ns ? tracer_begin(state) : 0;
    int r = shelf_read(view->shelf, key, &entry);
    double saved = -1;
    size_t n_bytes;
    PyObject *value;

    if (r < 0) {
        return memo_load_failed(op, key, call);
    }
    if (r > 0) {
        value = memo_compute(op, state, key, r, call);
    }
    else {
        saved = read_ns ? memo_trace_duration(&entry) : 0;
        n_bytes = entry.file.size;
        value = memo_load(op, state, key, &entry, call);
        if (read_ns) {
            memo_trace_step(state, view->shelf, "load", read_ns, n_bytes);
        }
    }
    if (begin_ns) {
        memo_trace_call(state, view->shelf, key, begin_ns, saved);
    }
    return value;
}

static PyObject *
memo_look_up(PyObject *op, struct core_state *state, const struct memo_view *view,
             const struct memo_call *call)
{
    int64_t begin_ns = tracer_begin(state);
    uint8_t key[CJ_KEY_BYTES];
    int r = memo_key(view, state, call, key);

    if (r < 0) {
        return NULL;
    }
    if (r == BIND_MISMATCH) {
        return memo_pass(op, "_refuse", call);
    }
    if (begin_ns) {
        memo_trace_step(state, view->shelf, "key", begin_ns, 0);
    }
    return memo_fetch(op, state, view, key, call, begin_ns);
}

/* See that the function is what it was, or is looked at anew. */
static int
memo_make_ready(PyObject *op)
{
    struct memo_object *self = (struct memo_object *)op;
    PyObject *watch, *done;
    int r = 0;

    if (!self->func) {
        PyErr_Format(PyExc_TypeError, "%s.__init__() was not called",
                     Py_TYPE(op)->tp_name);
        return -1;
    }
    watch = Py_NewRef(self->watch);
    if (watch != Py_None) {
        r = watch_holds(watch);
    }
    Py_DECREF(watch);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    done = PyObject_CallMethod(op, "_renew", NULL);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static PyObject *
memo_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    struct memo_object *self = (struct memo_object *)op;
    struct memo_call call = {args, PyVectorcall_NARGS(nargsf), kwnames};
    struct core_state *state = memo_state(op);
    struct memo_view view;
    PyObject *value;

    if (!state || memo_make_ready(op) < 0) {
        return NULL;
    }
    if (self->shelf == Py_None || self->verbose > MEMO_QUIET) {
        return memo_pass(op, "_call_through", &call);
    }
    view_take(self, &view);
    value = memo_look_up(op, state, &view, &call);
    view_done(&view);
    return value;
}

PyDoc_STRVAR(memo_key_doc,
             "_key($self, /, *args, **kwargs)\n--\n\n"
             "The key (16 bytes) of a call; None when it does not fit the signature.");

static PyObject *
memo_key_method(PyObject *op, PyObject *const *args, Py_ssize_t n_args,
                PyObject *kwnames)
{
    struct memo_call call = {args, n_args, kwnames};
    struct core_state *state = memo_state(op);
    struct memo_view view;
    uint8_t key[CJ_KEY_BYTES];
    int r;

    if (!state || memo_make_ready(op) < 0) {
        return NULL;
    }
    view_take((struct memo_object *)op, &view);
    r = memo_key(&view, state, &call, key);
    view_done(&view);
    if (r == BIND_MISMATCH) {
        Py_RETURN_NONE;
    }
    return r < 0 ? NULL : PyBytes_FromStringAndSize((const char *)key, sizeof(key));
}

PyDoc_STRVAR(memo_ready_doc, "_make_ready($self, /)\n--\n\n"
                             "What a call does first: _renew() when it is due.");

static PyObject *
memo_ready_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (memo_make_ready(op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* names, defaults, missing, ignored, n_positional_only, n_positional, takes_varargs,
 * takes_keywords, bound_name, bound_value */
static int
table_of_rules(PyObject *rules, struct bind_table *ret_table)
{
    struct bind_table table;

    if (!PyArg_ParseTuple(
            rules, "O!O!OO!nnppOO:Memo", &PyTuple_Type, &table.names, &PyTuple_Type,
            &table.defaults, &table.missing, &PyFrozenSet_Type, &table.ignored,
            &table.n_positional_only, &table.n_positional, &table.takes_varargs,
            &table.takes_keywords, &table.bound_name, &table.bound_value)) {
        return -1;
    }
    if (PyTuple_GET_SIZE(table.defaults) != PyTuple_GET_SIZE(table.names) ||
        table.n_positional_only < 0 || table.n_positional < table.n_positional_only ||
        table.n_positional > PyTuple_GET_SIZE(table.names)) {
        PyErr_SetString(PyExc_TypeError, "Memo: not a signature's table");
        return -1;
    }
    *ret_table = table;
    return 0;
}

/* Memo(func, rules, verbose, key_function, is_asked): done again, it changes all but
 * the function. */
static int
memo_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct memo_object *self = (struct memo_object *)op;
    PyObject *func, *rules, *key_function;
    struct bind_table table;
    int verbose, is_asked;

    if (!PyArg_ParseTuple(args, "OO!iOp:Memo", &func, &PyTuple_Type, &rules, &verbose,
                          &key_function, &is_asked) ||
        table_of_rules(rules, &table) < 0) {
        return -1;
    }
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Memo() takes no keyword arguments");
        return -1;
    }
    self->table = table;
    self->verbose = verbose;
    self->is_asked = (char)is_asked;
    Py_XDECREF(compat_exchange(&self->rules, Py_NewRef(rules)));
    Py_XDECREF(compat_exchange(&self->key_function, Py_NewRef(key_function)));
    Py_XDECREF(compat_exchange(&self->shelf, Py_NewRef(Py_None)));
    Py_XDECREF(compat_exchange(&self->watch, Py_NewRef(Py_None)));
    Py_XDECREF(compat_exchange(&self->func, Py_NewRef(func)));
    return 0;
}

static PyObject *
memo_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    struct memo_object *self = (struct memo_object *)type->tp_alloc(type, 0);

    if (self) {
        self->vectorcall = memo_vectorcall;
    }
    return (PyObject *)self;
}

static int
memo_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct memo_object *self = (struct memo_object *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->func);
    Py_VISIT(self->shelf);
    Py_VISIT(self->rules);
    Py_VISIT(self->key_function);
    Py_VISIT(self->watch);
    Py_VISIT(self->dict);
    return 0;
}

static int
memo_clear(PyObject *op)
{
    struct memo_object *self = (struct memo_object *)op;

    Py_CLEAR(self->func);
    Py_CLEAR(self->shelf);
    Py_CLEAR(self->rules);
    Py_CLEAR(self->key_function);
    Py_CLEAR(self->watch);
    Py_CLEAR(self->dict);
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

static PyObject *
memo_get_watch(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *watch = ((struct memo_object *)op)->watch;

    return Py_NewRef(watch ? watch : Py_None);
}

static int
memo_set_watch(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    struct memo_object *self = (struct memo_object *)op;

    if (!value ||
        (value != Py_None && !(PyTuple_Check(value) && watch_is_whole(value)))) {
        PyErr_SetString(PyExc_TypeError, "_watch: not a tuple of places, nor None");
        return -1;
    }
    Py_XDECREF(compat_exchange(&self->watch, Py_NewRef(value)));
    return 0;
}

static PyObject *
memo_get_shelf(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *shelf = ((struct memo_object *)op)->shelf;

    return Py_NewRef(shelf ? shelf : Py_None);
}

static int
memo_set_shelf(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    struct memo_object *self = (struct memo_object *)op;
    struct core_state *state = memo_state(op);

    if (!state) {
        return -1;
    }
    if (!value ||
        (value != Py_None && !Py_IS_TYPE(value, (PyTypeObject *)state->shelf_type))) {
        PyErr_SetString(PyExc_TypeError, "_shelf: not a Shelf, nor None");
        return -1;
    }
    Py_XDECREF(compat_exchange(&self->shelf, Py_NewRef(value)));
    return 0;
}

static PyMethodDef memo_methods[] = {
    {"_key", (PyCFunction)(void (*)(void))memo_key_method,
     METH_FASTCALL | METH_KEYWORDS, memo_key_doc},
    {"_make_ready", memo_ready_method, METH_NOARGS, memo_ready_doc},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "See PEP 585."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef memo_members[] = {
    {"func", T_OBJECT, offsetof(struct memo_object, func), READONLY,
     "The function itself."},
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
    {"_shelf", memo_get_shelf, memo_set_shelf,
     "Where a call looks for its result; None: Python does it.", NULL},
    {"_watch", memo_get_watch, memo_set_watch,
     "What must be as it is; None: the next call begins with _renew().", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(memo_type_doc, "A function whose results are looked up in a store.");

static PyType_Slot memo_slots[] = {
    {Py_tp_doc, (void *)memo_type_doc},
    {Py_tp_new, memo_new},
    {Py_tp_init, memo_init},
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
