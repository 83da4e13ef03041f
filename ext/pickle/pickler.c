#include "pickle/pickler.h"

void
pickler_init(struct pickler *p, struct core_state *state, int protocol)
{
    p->state = state;
    p->memo = (struct memo)MEMO_INIT;
    p->n_memo = 0;
    p->work = p->first_work;
    p->n_work = 0;
    p->max_work = WORK_FIRST;
    p->protocol = protocol;
    p->is_binary = protocol >= 1;
    p->is_fast = false;
    p->fix_imports = true;
    p->by_value = false;
    /* Protocols 0 to 2 are there for old readers: keep to the bytes that pickle writes.
     */
    p->memo_policy = protocol >= 3 ? MEMO_IMMUTABLE : MEMO_ALL;
    p->spares_memo = false;
    p->needs_entries = false;
    p->n_spared = 0;
    for (int i = 0; i < PICKLER_N_KINDS; i++) {
        p->kinds[i].type = NULL;
    }
    p->persistent_id = NULL;
    p->reducer_override = NULL;
    p->dispatch_table = NULL;
    p->buffer_callback = NULL;
    p->cloud = NULL;
    p->hooks = NULL;
    p->hook_context = NULL;
}

void
pickler_done(struct pickler *p)
{
    work_unwind(p, 0);
    if (p->work != p->first_work) {
        PyMem_Free(p->work);
    }
    sink_done(&p->sink);
    memo_clear(&p->memo);
    Py_CLEAR(p->cloud);
}

static int
pickler_begin(struct pickler *p)
{
    const char header[2] = {(char)OP_PROTO, (char)p->protocol};

    if (p->protocol >= 2 && sink_put(&p->sink, header, sizeof(header)) < 0) {
        return -1;
    }
    if (p->protocol >= 4) {
        sink_begin_frames(&p->sink);
    }
    return 0;
}

int
pickler_dump(struct pickler *p, PyObject *obj)
{
    int r;

    if (pickler_begin(p) < 0) {
        return -1;
    }
    Py_INCREF(obj);
    r = save(p, obj);
    Py_DECREF(obj);
    if (r < 0 || work_run(p, 0) < 0 || sink_op(&p->sink, OP_STOP) < 0) {
        return -1;
    }
    return sink_finish(&p->sink);
}

int
pickler_protocol(PyObject *protocol)
{
    long number;

    if (!protocol || protocol == Py_None) {
        return COMPAT_PICKLE_PROTOCOL;
    }
    number = PyLong_AsLong(protocol);
    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < 0) {
        return PICKLE_PROTOCOL_MAX;
    }
    if (number > PICKLE_PROTOCOL_MAX) {
        PyErr_Format(PyExc_ValueError, "pickle protocol must be <= %d",
                     PICKLE_PROTOCOL_MAX);
        return -1;
    }
    return (int)number;
}

int
pickler_check_callback(int protocol, PyObject *callback)
{
    if (protocol >= 5 || !callback || callback == Py_None) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "buffer_callback needs protocol >= 5");
    return -1;
}
