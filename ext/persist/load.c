#include "persist/load.h"

#include "arguments.h"
#include "persist/check.h"
#include "persist/load_array.h"
#include "pickle/unpickler_module.h"

/* Where an argument stands in the call. */
enum {
    LOAD_SOURCE,
    LOAD_CODEC,
    LOAD_BEGIN,
    LOAD_IS_OWN,
    LOAD_IS_NATIVE,
    LOAD_ALLOW,
    LOAD_MAX_BYTES,
    LOAD_VERIFY,
    LOAD_MAP,
    LOAD_SIDE,
    N_LOAD
};

static const char *const load_names[] = {"source", "codec",     "begin",     "is_own",
                                         "native", "allow",     "max_bytes", "verify",
                                         "map",    "side_file", NULL};

static const struct arguments_spec load_spec = {"persist_load", load_names, 1, 1};

/* A first look at a file to be mapped; there is little to read beside the arrays. */
#define LOAD_MAPPED_PIECE_BYTES 4096

/* Plain files up to this size are verified before they are unpickled; that costs a
 * second read. */
#define LOAD_CHECKED_BYTES ((uint64_t)8 << 20)
#define LOAD_CHECKED_MAPPED_BYTES ((uint64_t)1 << 20)

/* One load. */
struct load {
    struct unpickler_options options;
    struct unpickler unpickler;
    struct array_loader loader;
    struct input input;
    bool has_input;
    bool is_own; /* nobody else reads from the input */
    enum check_mode check;
};

/* --- arguments -------------------------------------------------------------------- */

static bool
is_given(PyObject *value)
{
    return value && value != Py_None;
}

static int
load_flag(PyObject *value, bool *ret_flag)
{
    int r = is_given(value) ? PyObject_IsTrue(value) : 0;

    *ret_flag = r > 0;
    return r < 0 ? -1 : 0;
}

static int
load_count(PyObject *value, uint64_t otherwise, uint64_t *ret_count)
{
    *ret_count = is_given(value) ? PyLong_AsUnsignedLongLong(value) : otherwise;
    return PyErr_Occurred() ? -1 : 0;
}

/* verify: None is "auto". */
static int
load_check(PyObject *value, enum check_mode *ret_mode)
{
    int r = is_given(value) ? PyObject_IsTrue(value) : 2;

    *ret_mode = r == 2 ? CHECK_AUTO : r ? CHECK_ALWAYS : CHECK_NEVER;
    return r < 0 ? -1 : 0;
}

static int
load_parse(struct load *load, PyObject *const *slots)
{
    struct array_loader *loader = &load->loader;

    load->options.allow = slots[LOAD_ALLOW];
    loader->map = is_given(slots[LOAD_MAP]) ? slots[LOAD_MAP] : NULL;
    loader->side = slots[LOAD_SIDE];
    loader->unpickler_options = &load->options;
    if (!loader->side) {
        PyErr_SetString(PyExc_TypeError, "persist_load() needs side_file");
        return -1;
    }
    return load_flag(slots[LOAD_IS_OWN], &load->is_own) < 0 ||
                   load_flag(slots[LOAD_IS_NATIVE], &loader->is_native) < 0 ||
                   load_count(slots[LOAD_MAX_BYTES], UINT64_MAX, &loader->max_bytes) <
                       0 ||
                   load_count(slots[LOAD_BEGIN], 0, &loader->base) < 0 ||
                   load_check(slots[LOAD_VERIFY], &load->check) < 0
               ? -1
               : 0;
}

/* --- the source ------------------------------------------------------------------- */

static int
open_decoder(struct load *load, PyObject *codec)
{
    const char *name = PyUnicode_AsUTF8(codec);
    enum cj_codec_kind kind;

    if (!name) {
        return -1;
    }
    if (cj_codec_by_name(name, &kind) < 0) {
        PyErr_Format(PyExc_ValueError, "no codec is called '%s'", name);
        return -1;
    }
    return input_decode(&load->input, kind, &load->loader.options);
}

/* Verify what is small now, and be ready to verify the rest in the end. */
static int
open_check(struct load *load)
{
    struct input *input = &load->input;
    bool is_mapped = load->loader.map != NULL;
    int r = input->decoder ? input_digest_from_here(input) : 0;

    if (r == 0) {
        r = check_before(&load->unpickler, input,
                         is_mapped ? LOAD_CHECKED_MAPPED_BYTES : LOAD_CHECKED_BYTES);
    }
    if (r < 0 || input->decoder || input->is_verified || is_mapped) {
        return r;
    }
    return input_digest_from_here(input);
}

/* A descriptor, or a Python file with a compressed stream. */
static int
open_input(struct load *load, PyObject *source, PyObject *codec)
{
    struct input *input = &load->input;
    int fd, r;

    if (PyLong_Check(source)) {
        fd = (int)PyLong_AsLong(source);
        r = PyErr_Occurred() ? -1 : input_of_descriptor(input, fd, load->loader.base);
    }
    else {
        r = input_of_file(input, source);
    }
    load->has_input = true;
    input->max_bytes = load->loader.max_bytes;
    if (load->loader.map) {
        input->n_piece = LOAD_MAPPED_PIECE_BYTES;
    }
    if (r == 0 && is_given(codec)) {
        r = open_decoder(load, codec);
    }
    if (r == 0) {
        load->loader.input = input;
        source_of_stream(&load->unpickler.source, &input_ops, input);
        load->unpickler.source.may_read_ahead = input->is_seekable || input->decoder;
    }
    return r == 0 && load->is_own && load->check != CHECK_NEVER ? open_check(load) : r;
}

static int
open_source(struct load *load, PyObject *source, PyObject *codec)
{
    if (PyLong_Check(source) || is_given(codec)) {
        return open_input(load, source, codec);
    }
    if (PyMemoryView_Check(source)) {
        return source_of_buffer(&load->unpickler.source, source);
    }
    return source_of_file(&load->unpickler.source, source);
}

/* --- the load --------------------------------------------------------------------- */

/* How many bytes behind the pickle belong to it; -1 with an exception. */
static Py_ssize_t
load_end(struct load *load)
{
    struct unpickler *unpickler = &load->unpickler;

    if (load->is_own) {
        return check_end(unpickler, &load->input, load->check);
    }
    if (load->has_input && (load->input.decoder || !load->input.is_seekable)) {
        return 0;
    }
    return load->has_input || !unpickler->source.ops
               ? check_here(unpickler, load->has_input ? &load->input : NULL,
                            load->check)
               : 0;
}

/* (the object, how many bytes it took) */
static PyObject *
load_value(struct load *load)
{
    PyObject *value = unpickler_load(&load->unpickler), *result = NULL;
    Py_ssize_t n_end = value ? load_end(load) : -1;

    if (n_end >= 0) {
        unsigned long long n = source_offset(&load->unpickler.source);

        result = Py_BuildValue("OK", value, n + (unsigned long long)n_end);
    }
    Py_XDECREF(value);
    return result;
}

PyDoc_STRVAR(
    persist_load_doc,
    "persist_load($module, source, /, *, codec=None, begin=0, is_own=False,\n"
    "             native=False, allow=None, max_bytes=None, verify=None, map=None,\n"
    "             side_file)\n--\n\n"
    "Read an object in joblib's format; (object, number of bytes it took).\n\n"
    "`source`: a descriptor, read from `begin` on; a memoryview; or a Python file.\n"
    "`is_own`: nothing else is read from there, so that it may be read to its end\n"
    "and verified. map(wrapper, start, position) maps an array;\n"
    "side_file(wrapper) reads one from a file of its own.");

static PyObject *
persist_load(PyObject *module, PyObject *const *args, Py_ssize_t n_args,
             PyObject *keywords)
{
    struct load load = {.options = UNPICKLER_OPTIONS_INIT, .input = INPUT_INIT};
    struct core_state *state = core_state(module);
    PyObject *slots[N_LOAD], *result = NULL;

    if (arguments_sort(&load_spec, args, n_args, keywords, slots) < 0 ||
        load_parse(&load, slots) < 0 || unpickler_state_ready(state) < 0 ||
        unpickler_init(&load.unpickler, state, &load.options) < 0) {
        return NULL;
    }
    names_init(&load.loader.names, state);
    load.unpickler.hooks = &array_loader_hooks;
    load.unpickler.hooks_data = &load.loader;
    if (open_source(&load, slots[LOAD_SOURCE], slots[LOAD_CODEC]) == 0) {
        result = load_value(&load);
    }
    unpickler_done(&load.unpickler);
    names_done(&load.loader.names);
    input_done(&load.input);
    return result;
}

PyDoc_STRVAR(persist_is_damaged_doc,
             "persist_is_damaged($module, fd, /)\n--\n\n"
             "Whether a plain file has a footer that its content does not agree with.");

static PyObject *
persist_is_damaged(PyObject *Py_UNUSED(module), PyObject *descriptor)
{
    struct input input = INPUT_INIT;
    int fd = (int)PyLong_AsLong(descriptor), r;

    if (PyErr_Occurred() || input_of_descriptor(&input, fd, 0) < 0) {
        return NULL;
    }
    r = check_damage(&input, true);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

PyDoc_STRVAR(
    persist_footer_at_doc,
    "persist_footer_at($module, fd, position, /)\n--\n\n"
    "Whether there stands, at the end of a plain file, the footer of a pickle\n"
    "of so many bytes.");

static PyObject *
persist_footer_at(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct input input = INPUT_INIT;
    uint8_t footer[FOOTER_BYTES];
    unsigned long long position;
    size_t n = 0;
    int fd;

    if (!PyArg_ParseTuple(args, "iK:persist_footer_at", &fd, &position) ||
        input_of_descriptor(&input, fd, 0) < 0) {
        return NULL;
    }
    if (!input.is_seekable || input.size != position + FOOTER_BYTES) {
        Py_RETURN_FALSE;
    }
    if (input_peek(&input, position, footer, FOOTER_BYTES, &n) < 0) {
        return NULL;
    }
    return PyBool_FromLong(n == FOOTER_BYTES && footer_has_magic(footer));
}

PyMethodDef load_methods[] = {
    {"persist_footer_at", persist_footer_at, METH_VARARGS, persist_footer_at_doc},
    {"persist_load", (PyCFunction)(void (*)(void))persist_load,
     METH_FASTCALL | METH_KEYWORDS, persist_load_doc},
    {"persist_is_damaged", persist_is_damaged, METH_O, persist_is_damaged_doc},
    {NULL, NULL, 0, NULL},
};
