#include "persist/dump.h"

#include <limits.h>

#include <cjoblib/codec.h>

#include "arguments.h"
#include "persist/save_array.h"
#include "pickle/pickle_module.h"

/* Where an argument stands in the call. */
enum {
    DUMP_VALUE,
    DUMP_TARGET,
    DUMP_PROTOCOL,
    DUMP_CODEC,
    DUMP_LEVEL,
    DUMP_SHUFFLE,
    DUMP_THREADS,
    DUMP_DURABLE,
    N_DUMP
};

static const char *const dump_names[] = {"value",   "target",  "protocol",
                                         "codec",   "level",   "shuffle",
                                         "threads", "durable", NULL};

static const struct arguments_spec dump_spec = {"persist_dump", dump_names, 2, 2};

/* One dump. */
struct dump {
    struct output_codec codec;
    struct output output;
    struct array_saver saver;
    int protocol;
    bool is_durable;
};

/* --- arguments -------------------------------------------------------------------- */

static bool
is_given(PyObject *value)
{
    return value && value != Py_None;
}

/* None: `otherwise`. */
static int
dump_int(PyObject *value, int otherwise, int *ret_number)
{
    long number = is_given(value) ? PyLong_AsLong(value) : otherwise;

    if (number == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (number < INT_MIN || number > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "%ld is out of range", number);
        return -1;
    }
    *ret_number = (int)number;
    return 0;
}

static int
dump_codec(struct dump *dump, PyObject *codec, int level, unsigned int n_threads)
{
    const char *name = is_given(codec) ? PyUnicode_AsUTF8(codec) : NULL;

    if (!is_given(codec)) {
        return 0;
    }
    if (!name) {
        return -1;
    }
    if (cj_codec_by_name(name, &dump->codec.kind) < 0) {
        PyErr_Format(PyExc_ValueError, "no codec is called '%s'", name);
        return -1;
    }
    if (!cj_codec_is_built(dump->codec.kind)) {
        PyErr_Format(PyExc_ValueError, "cjoblib was built without %s", name);
        return -1;
    }
    dump->codec.is_on = true;
    dump->codec.level = level;
    dump->codec.options.n_threads = n_threads;
    return 0;
}

static int
dump_shuffle(struct dump *dump, PyObject *codec, int level, unsigned int n_threads)
{
    struct cj_array_options *options = &dump->saver.shuffle;
    const char *name = is_given(codec) ? PyUnicode_AsUTF8(codec) : NULL;

    if (!is_given(codec)) {
        return 0;
    }
    if (!name) {
        return -1;
    }
    if (cj_array_codec_by_name(name, &options->codec) < 0) {
        PyErr_Format(PyExc_ValueError,
                     "Non valid compression method given: \"blosc:%s\". Inside blosc "
                     "there is lz4, lz4hc, zlib, zstd or blosclz.",
                     name);
        return -1;
    }
    if (!cj_array_codec_is_built(options->codec)) {
        PyErr_Format(PyExc_ValueError, "cjoblib was built without blosc:%s", name);
        return -1;
    }
    options->level = level;
    options->n_threads = n_threads;
    dump->saver.is_shuffled = true;
    return 0;
}

static int
dump_parse(struct dump *dump, PyObject *const *slots)
{
    int level, n_threads, is_durable;

    dump->protocol = pickler_protocol(slots[DUMP_PROTOCOL]);
    if (dump->protocol < 0 ||
        dump_int(slots[DUMP_LEVEL], CJ_CODEC_LEVEL_DEFAULT, &level) < 0 ||
        dump_int(slots[DUMP_THREADS], 0, &n_threads) < 0) {
        return -1;
    }
    if (n_threads < 0) {
        PyErr_Format(PyExc_ValueError, "threads should be at least 1, not %d",
                     n_threads);
        return -1;
    }
    is_durable =
        is_given(slots[DUMP_DURABLE]) ? PyObject_IsTrue(slots[DUMP_DURABLE]) : 0;
    dump->is_durable = is_durable > 0;
    if (is_durable < 0 ||
        dump_codec(dump, slots[DUMP_CODEC], level, (unsigned int)n_threads) < 0) {
        return -1;
    }
    return dump_shuffle(dump, slots[DUMP_SHUFFLE], level, (unsigned int)n_threads);
}

/* --- the dump --------------------------------------------------------------------- */

/* Where an open file stands: 1, 0 when it does not say, -1. */
static int
file_position(PyObject *file, uint64_t *ret_position)
{
    PyObject *position = PyObject_CallMethod(file, "tell", NULL);
    unsigned long long number;

    if (!position) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) &&
            !PyErr_ExceptionMatches(PyExc_OSError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    number = PyLong_Check(position) ? PyLong_AsUnsignedLongLong(position) : 0;
    Py_DECREF(position);
    if (PyErr_Occurred()) {
        return -1;
    }
    *ret_position = number;
    return 1;
}

static int
dump_open(struct dump *dump, PyObject *target)
{
    PyObject *path = NULL;
    int r;

    if (!PyUnicode_Check(target) && !PyBytes_Check(target)) {
        r = dump->codec.is_on ? 1 : file_position(target, &dump->saver.base);
        dump->saver.is_aligned = r > 0;
        return r < 0 ? -1 : output_of_file(&dump->output, target, &dump->codec);
    }
    if (!PyUnicode_FSConverter(target, &path)) {
        return -1;
    }
    r = output_open(&dump->output, path, target, dump->is_durable, &dump->codec);
    Py_DECREF(path);
    dump->saver.is_aligned = r == 0 && (dump->codec.is_on || dump->output.digest);
    return r;
}

static int
dump_run(struct dump *dump, PyObject *value)
{
    struct pickler p;
    int r;

    pickler_init(&p, dump->saver.names.state, dump->protocol);
    sink_init_consumer(&p.sink, output_take, &dump->output);
    p.hooks = &array_saver_hooks;
    p.hook_context = &dump->saver;
    r = pickler_dump(&p, value);
    pickler_done(&p);
    return r < 0 ? -1 : output_finish(&dump->output);
}

PyDoc_STRVAR(
    persist_dump_doc,
    "persist_dump($module, value, target, /, *, protocol=None, codec=None, "
    "level=None,\n"
    "             shuffle=None, threads=None, durable=False)\n--\n\n"
    "Write an object in joblib's format. `target`: a path (str or bytes) that is\n"
    "replaced, or an object with write(). `codec` compresses all (see\n"
    "compressor.py), `shuffle` (lz4, zstd, ...) the arrays, their bytes shuffled.");

static PyObject *
persist_dump(PyObject *module, PyObject *const *args, Py_ssize_t n_args,
             PyObject *keywords)
{
    struct dump dump = {.protocol = 0};
    PyObject *slots[N_DUMP];
    int r;

    if (arguments_sort(&dump_spec, args, n_args, keywords, slots) < 0 ||
        dump_parse(&dump, slots) < 0) {
        return NULL;
    }
    names_init(&dump.saver.names, core_state(module));
    dump.saver.output = &dump.output;
    dump.saver.class_numbers[0] = dump.saver.class_numbers[1] = -1;
    r = dump_open(&dump, slots[DUMP_TARGET]);
    if (r == 0) {
        r = dump_run(&dump, slots[DUMP_VALUE]);
    }
    output_done(&dump.output);
    names_done(&dump.saver.names);
    if (r < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef dump_methods[] = {
    {"persist_dump", (PyCFunction)(void (*)(void))persist_dump,
     METH_FASTCALL | METH_KEYWORDS, persist_dump_doc},
    {NULL, NULL, 0, NULL},
};
