#include "trace/tracer.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "trace/fields.h"

struct tracer_object {
    PyObject_HEAD
    struct cj_trace *trace; /* NULL: closed */
    PyObject *path;         /* bytes */
    int64_t serial;         /* tells it from the tracers before it */
};

/* A thread's row; lies in the thread's own dict and is used by that thread alone. */
struct lane_object {
    PyObject_HEAD
    struct cj_lane *lane;
    int64_t serial; /* of its tracer */
};

static void
lane_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    cj_lane_close(((struct lane_object *)op)->lane);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot lane_slots[] = {
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_doc, "A row of a trace."},
    {0, NULL},
};

PyType_Spec lane_type_spec = {
    .name = "cjoblib._core.Lane",
    .basicsize = sizeof(struct lane_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = lane_slots,
};

/* The name of the calling thread, as `threading` knows it; bytes. */
static PyObject *
lane_name(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread =
        threading ? PyObject_CallMethod(threading, "current_thread", NULL) : NULL;
    PyObject *name = thread ? PyObject_GetAttrString(thread, "name") : NULL;
    PyObject *bytes = name && PyUnicode_Check(name)
                          ? PyUnicode_AsEncodedString(name, "utf-8", "replace")
                          : NULL;

    Py_XDECREF(name);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    return bytes;
}

static PyObject *
lane_new(struct core_state *state, struct tracer_object *tracer)
{
    PyTypeObject *type = (PyTypeObject *)state->lane_type;
    struct lane_object *self;
    PyObject *name = lane_name();
    int r;

    if (!name) {
        return NULL;
    }
    self = (struct lane_object *)type->tp_alloc(type, 0);
    if (self) {
        self->serial = tracer->serial;
        r = cj_lane_open(tracer->trace, PyBytes_AS_STRING(name), &self->lane);
        if (r < 0) {
            Py_CLEAR(self);
            error_raise(r, tracer->path);
        }
    }
    Py_DECREF(name);
    return (PyObject *)self;
}

/* This thread's row of the trace, made on first use; NULL with an exception set. */
static struct cj_lane *
lane_of_thread(struct core_state *state, struct tracer_object *tracer)
{
    PyObject *dict = PyThreadState_GetDict();
    PyObject *found = dict ? PyDict_GetItemWithError(dict, state->lane_type) : NULL;
    int r;

    if (found && ((struct lane_object *)found)->serial == tracer->serial) {
        return ((struct lane_object *)found)->lane;
    }
    if (!dict || PyErr_Occurred()) {
        return NULL;
    }
    found = lane_new(state, tracer);
    if (!found) {
        return NULL;
    }
    r = PyDict_SetItem(dict, state->lane_type, found);
    Py_DECREF(found); /* the dict keeps it */
    return r < 0 ? NULL : ((struct lane_object *)found)->lane;
}

void
tracer_span(struct core_state *state, const char *name, int64_t begin_ns,
            const struct cj_field *fields, size_t n_fields)
{
    struct tracer_object *tracer = (struct tracer_object *)state->tracer;
    PyObject *type, *value, *traceback;
    struct cj_lane *lane;
    int64_t end_ns = cj_trace_now();

    if (!tracer || !tracer->trace) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    lane = lane_of_thread(state, tracer);
    if (lane) {
        cj_lane_span(lane, name, begin_ns, end_ns, fields, n_fields);
    }
    /* A trace that can't be written must not disturb what is traced. */
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static PyObject *
tracer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", NULL};
    struct tracer_object *self;
    PyObject *path;
    int r;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&:Tracer", names,
                                     PyUnicode_FSConverter, &path)) {
        return NULL;
    }
    self = (struct tracer_object *)type->tp_alloc(type, 0);
    if (!self) {
        Py_DECREF(path);
        return NULL;
    }
    self->path = path;
    self->serial = cj_trace_now();
    r = cj_trace_open(PyBytes_AS_STRING(path), &self->trace);
    if (r < 0) {
        error_raise(r, path);
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void
tracer_dealloc(PyObject *op)
{
    struct tracer_object *self = (struct tracer_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    (void)cj_trace_close(self->trace);
    Py_XDECREF(self->path);
    type->tp_free(op);
    Py_DECREF(type);
}

static struct core_state *
tracer_state(PyObject *op)
{
    return core_state_of_type(Py_TYPE(op));
}

PyDoc_STRVAR(tracer_close_doc,
             "close($self, /)\n--\n\n"
             "End the trace; the file is completed by who opened it.");

static PyObject *
tracer_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct tracer_object *self = (struct tracer_object *)op;
    struct core_state *state = tracer_state(op);
    PyObject *dict = PyThreadState_GetDict();
    struct cj_trace *trace = self->trace;
    int r;

    if (state->tracer == op) {
        Py_CLEAR(state->tracer);
    }
    self->trace = NULL;
    /* This thread's row; other threads' go with the next trace, or with the thread. */
    if (dict && PyDict_DelItem(dict, state->lane_type) < 0) {
        PyErr_Clear();
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_trace_close(trace);
    Py_END_ALLOW_THREADS
    return r < 0 ? error_raise(r, self->path) : Py_NewRef(Py_None);
}

static PyObject *
tracer_is_owner(PyObject *op, void *Py_UNUSED(closure))
{
    struct tracer_object *self = (struct tracer_object *)op;

    return PyBool_FromLong(self->trace && cj_trace_is_owner(self->trace));
}

static PyMethodDef tracer_type_methods[] = {
    {"close", tracer_close, METH_NOARGS, tracer_close_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef tracer_properties[] = {
    {"is_owner", tracer_is_owner, NULL, "Whether it was opened here, not joined.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot tracer_slots[] = {
    {Py_tp_new, tracer_new},
    {Py_tp_dealloc, tracer_dealloc},
    {Py_tp_methods, tracer_type_methods},
    {Py_tp_getset, tracer_properties},
    {Py_tp_doc, "Tracer(path)\n--\n\n"
                "A trace file; the one that a living process writes there is joined."},
    {0, NULL},
};

PyType_Spec tracer_type_spec = {
    .name = "cjoblib._core.Tracer",
    .basicsize = sizeof(struct tracer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tracer_slots,
};

PyDoc_STRVAR(trace_with_doc,
             "trace_with($module, tracer, /)\n--\n\n"
             "Have the extension note its events with a Tracer, or no longer (None).\n"
             "The one before it.");

static PyObject *
trace_with(PyObject *module, PyObject *tracer)
{
    struct core_state *state = core_state(module);
    PyObject *before = state->tracer;

    if (tracer != Py_None &&
        !PyObject_TypeCheck(tracer, (PyTypeObject *)state->tracer_type)) {
        return PyErr_Format(PyExc_TypeError, "a Tracer or None is wanted, not %.100s",
                            Py_TYPE(tracer)->tp_name);
    }
    state->tracer = tracer == Py_None ? NULL : Py_NewRef(tracer);
    return before ? before : Py_NewRef(Py_None);
}

PyDoc_STRVAR(trace_begin_doc, "trace_begin($module, /)\n--\n\n"
                              "The clock of traces, in nanoseconds; 0: nobody traces.");

static PyObject *
trace_begin(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLongLong(tracer_begin(core_state(module)));
}

/* This thread's row of the trace that is on; NULL without an exception: none is. */
static struct cj_lane *
trace_lane(PyObject *module)
{
    struct core_state *state = core_state(module);
    struct tracer_object *tracer = (struct tracer_object *)state->tracer;

    return tracer && tracer->trace ? lane_of_thread(state, tracer) : NULL;
}

PyDoc_STRVAR(trace_span_doc,
             "trace_span($module, name, begin, fields=None, /)\n--\n\n"
             "Note what took from begin (of trace_begin(), not 0) until now.");

static PyObject *
trace_span(PyObject *module, PyObject *args)
{
    struct fields fields = FIELDS_INIT;
    int64_t end = cj_trace_now();
    PyObject *name, *given = Py_None;
    struct cj_lane *lane;
    const char *text;
    long long begin;

    if (!PyArg_ParseTuple(args, "UL|O:trace_span", &name, &begin, &given)) {
        return NULL;
    }
    lane = begin ? trace_lane(module) : NULL;
    text = lane ? fields_name(&fields, name) : NULL;
    if (text && fields_take(&fields, given) == 0) {
        cj_lane_span(lane, text, begin, end, fields.items, fields.n);
    }
    fields_done(&fields);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(trace_mark_doc, "trace_mark($module, name, fields=None, /)\n--\n\n"
                             "Note that something happens now.");

static PyObject *
trace_mark(PyObject *module, PyObject *args)
{
    struct fields fields = FIELDS_INIT;
    PyObject *name, *given = Py_None;
    struct cj_lane *lane;
    const char *text;

    if (!PyArg_ParseTuple(args, "U|O:trace_mark", &name, &given)) {
        return NULL;
    }
    lane = trace_lane(module);
    text = lane ? fields_name(&fields, name) : NULL;
    if (text && fields_take(&fields, given) == 0) {
        cj_lane_mark(lane, text, cj_trace_now(), fields.items, fields.n);
    }
    fields_done(&fields);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(trace_count_doc, "trace_count($module, name, value, /)\n--\n\n"
                              "Note the value that a counter has from now on.");

static PyObject *
trace_count(PyObject *module, PyObject *args)
{
    struct fields fields = FIELDS_INIT;
    struct cj_lane *lane;
    const char *text;
    long long value;
    PyObject *name;

    if (!PyArg_ParseTuple(args, "UL:trace_count", &name, &value)) {
        return NULL;
    }
    lane = trace_lane(module);
    text = lane ? fields_name(&fields, name) : NULL;
    if (text) {
        cj_lane_count(lane, text, cj_trace_now(), value);
    }
    fields_done(&fields);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

PyMethodDef tracer_methods[] = {
    {"trace_with", trace_with, METH_O, trace_with_doc},
    {"trace_begin", trace_begin, METH_NOARGS, trace_begin_doc},
    {"trace_span", trace_span, METH_VARARGS, trace_span_doc},
    {"trace_mark", trace_mark, METH_VARARGS, trace_mark_doc},
    {"trace_count", trace_count, METH_VARARGS, trace_count_doc},
    {NULL, NULL, 0, NULL},
};
