/* The unpickler: a machine that reads opcodes from a source and leaves one value.
 *
 *     struct unpickler u;
 *     unpickler_init(&u, state, &options)     -1: nothing to release
 *     source_of_...(&u.source, ...)
 *     value = unpickler_load(&u)              as often as the source holds pickles
 *     unpickler_done(&u)
 *
 * Every opcode is a function `load_<name>` (load_ops.h) that works on the stack, the
 * memo and the source, and returns 0, LOAD_STOP, or -1 with an exception set.
 *
 * A stream is not trusted: lengths, indexes and the stack are checked before use,
 * recursion does not happen here, and what may be imported is decided by `policy`.
 * Errors of the stream itself are pickle.UnpicklingError, EOFError (it ended before an
 * opcode), ValueError and OverflowError (an argument out of range); they say the offset
 * and the opcode. What the objects' own code raises is passed on as it is.
 *
 * Nested streams (an object array inside a file): make the inner unpickler with the
 * same `options.allow` and `options.find_class` (from Python: `allow=unpickler.allow`);
 * its policy is then the outer one's.
 *
 * The collector is paused where that pays (compat_gc_pause), but not while anything
 * runs that the unpickler does not do itself: every call of Python code, of a type's
 * own code, or of a file stands between unpickler_leave_loop() and
 * unpickler_enter_loop(). The one exception are finalizers of values that a stream
 * replaces in a dict or an instance.
 *
 * One thread at a time. */

#ifndef EXT_PICKLE_UNPICKLER_H
#define EXT_PICKLE_UNPICKLER_H

#include "compat.h"
#include "pickle/find_policy.h"
#include "pickle/load_memo.h"
#include "pickle/load_stack.h"
#include "pickle/source.h"
#include "state.h"

#include <stdint.h>

#define UNPICKLER_HIGHEST_PROTOCOL 5

enum { LOAD_STOP = 1 };

struct unpickler;

/* For file formats that put more than pickles into a stream. Each may be NULL. */
struct unpickler_hooks {
    /* Before the policy and any import: 1 with a new reference in *ret_object, 0 to go
     * the usual way, -1. Formats whose stream names helper classes give their own here.
     */
    int (*find_global)(struct unpickler *unpickler, PyObject *module, PyObject *name,
                       PyObject **ret_object);
    /* After BUILD, with the source right behind the opcode, and all of the opcode's
     * frame consumed when the writer ended it there: *object, owned by the stack, may
     * be replaced (release the old one), and source_take() and source_read() may
     * consume raw bytes that follow. -1 with an exception ends the load. */
    int (*built)(struct unpickler *unpickler, PyObject **object);
};

struct unpickler_options {
    int fix_imports;      /* map the names of Python 2, in streams of protocol < 3 */
    PyObject *encoding;   /* str: of Python 2's str; "bytes" leaves them bytes */
    PyObject *errors;     /* str: the decoder's error handler */
    PyObject *buffers;    /* NULL, None or an iterable of buffers */
    PyObject *allow;      /* see find_policy.h */
    PyObject *find_class; /* NULL, None or a callable (module, name) */
};

struct unpickler {
    struct source source;
    struct load_stack stack;
    struct load_memo memo;
    uint64_t op_offset;    /* where the current opcode stands */
    uint8_t op;            /* 0 outside of a load */
    uint8_t has_odd_state; /* a state held `__setstate__`: no short cuts in BUILD */
    int gc_was_enabled;    /* what leaving the loop restores */
    size_t n_filled;       /* since the collector had its turn */
    int protocol;          /* of the last PROTO */
    int fix_imports;
    struct core_state *state;
    struct find_policy policy;
    PyObject *find_class;      /* called instead of unpickler_find_class() */
    PyObject *persistent_load; /* NULL: persistent ids are an error */
    PyObject *buffers;         /* an iterator, or NULL */
    PyObject *encoding;
    PyObject *errors;
    const char *encoding_name; /* NULL for "bytes" */
    const char *errors_name;
    const struct unpickler_hooks *hooks; /* NULL: none; set after init */
    void *hooks_data;                    /* theirs */
};

static inline void
unpickler_enter_loop(struct unpickler *unpickler)
{
    unpickler->gc_was_enabled = compat_gc_pause();
}

static inline void
unpickler_leave_loop(struct unpickler *unpickler)
{
    compat_gc_resume(unpickler->gc_was_enabled);
}

/* Options as pickle.loads() has them by default. */
#define UNPICKLER_OPTIONS_INIT {.fix_imports = 1}

int unpickler_init(struct unpickler *unpickler, struct core_state *state,
                   const struct unpickler_options *options);

void unpickler_done(struct unpickler *unpickler);

int unpickler_traverse(struct unpickler *unpickler, visitproc visit, void *arg);

/* The next pickle's value: a new reference, or NULL with an exception. */
PyObject *unpickler_load(struct unpickler *unpickler);

/* The default find_class: policy, import, attribute. A new reference or NULL. */
PyObject *unpickler_find_class(struct unpickler *unpickler, PyObject *module,
                               PyObject *name);

/* What an opcode that names a global gets: hooks, policy, then find_class. */
PyObject *unpickler_find_global(struct unpickler *unpickler, PyObject *module,
                                PyObject *name);

/* -1 with UnpicklingError unless the policy lets the stream call `object`. */
int unpickler_check_call(struct unpickler *unpickler, PyObject *object);

/* Raise `type` with a message as of PyErr_Format, and where the stream is. Returns -1.
 */
int unpickler_fail(struct unpickler *unpickler, PyObject *type, const char *format,
                   ...);

/* The same with UnpicklingError. */
int unpickler_refuse(struct unpickler *unpickler, const char *format, ...);

/* The stream ended inside an argument of `claimed` bytes of which `left` came. */
int unpickler_truncated(struct unpickler *unpickler, uint64_t claimed, uint64_t left);

/* The stack has not what the opcode needs. */
int unpickler_underflow(struct unpickler *unpickler);

int unpickler_no_mark(struct unpickler *unpickler);

#endif
