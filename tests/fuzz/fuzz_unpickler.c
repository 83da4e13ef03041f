/* libFuzzer's target for the unpickler: no stream may do more than give a value or
 * raise an exception of its kind.
 *
 *     fuzz_unpickler FOUND... corpus/unpickler -dict=unpickler.dict     (make fuzz)
 *     fuzz_unpickler FILE                                               one stream
 * again
 *
 * The interpreter runs inside; the package is the one on PYTHONPATH, its extension
 * built with -fsanitize=fuzzer-no-link. The loads are in LOADS, in Python: each of them
 * is given the stream, and says what must hold by `assert`. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>

static const char LOADS[] =
    "import io, pickle, sys\n"
    "from cjoblib._core import Unpickler, pickle_loads\n"
    "\n"
    "ERRORS = (pickle.UnpicklingError, EOFError, ValueError, OverflowError, "
    "TypeError,\n"
    "          AttributeError, KeyError, IndexError, MemoryError, RecursionError)\n"
    "\n"
    "class Stand:\n"
    "    def __init__(self, *args, **kwargs): self.args = args\n"
    "class Keeper(Stand):\n"
    "    def __setstate__(self, state): self.state = state\n"
    "class Slotted:\n"
    "    __slots__ = ('a', 'b')\n"
    "class Lister(list): pass\n"
    "class Mapper(dict): pass\n"
    "STANDS = (Stand, Keeper, Slotted, Lister, Mapper, list, dict, tuple, set)\n"
    "\n"
    "def stand_in(module, name):\n"
    "    return STANDS[(len(module) + len(name)) % len(STANDS)]\n"
    "\n"
    "def outcome(load, *args, **options):\n"
    "    try:\n"
    "        return type(load(*args, **options))\n"
    "    except ERRORS as error:\n"
    "        assert str(error) or isinstance(error, MemoryError)\n"
    "        return type(error)\n"
    "\n"
    "def load_file(data):\n"
    "    return Unpickler(io.BytesIO(data), allow=()).load()\n"
    "\n"
    "def run(data):\n"
    "    assert outcome(pickle_loads, data, allow=()) is outcome(load_file, data)\n"
    "    outcome(pickle_loads, data, allow=(), encoding='bytes',\n"
    "            buffers=(b'abc', bytearray(b'abc')))\n"
    "    assert len(sys.modules) == N_MODULES\n"
    "    outcome(pickle_loads, data, find_class=stand_in)\n"
    "    assert len(sys.modules) == N_MODULES\n"
    "\n"
    "N_MODULES = len(sys.modules)\n";

static PyObject *run;

static void
give_up(const char *what)
{
    if (PyErr_Occurred()) {
        PyErr_Print();
    }
    fprintf(stderr, "fuzz_unpickler: %s\n", what);
    abort();
}

/* CPython keeps things until its end, and has an allocator of its own. */
const char *
__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=16";
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    PyObject *names = NULL;

    (void)argc;
    (void)argv;
    setenv("PYTHONMALLOC", "malloc", 1);
    Py_InitializeEx(0);
    names = PyModule_GetDict(PyImport_AddModule("__main__"));
    if (!PyRun_String(LOADS, Py_file_input, names, names)) {
        give_up("cannot start; is PYTHONPATH the folder of the sanitized cjoblib?");
    }
    run = PyDict_GetItemString(names, "run");
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, (Py_ssize_t)size);
    PyObject *result = bytes ? PyObject_CallOneArg(run, bytes) : NULL;

    if (!result) {
        give_up("not an exception of the stream's kind");
    }
    Py_DECREF(result);
    Py_DECREF(bytes);
    return 0;
}
