/* One pickling: from an object to bytes in a sink.
 *
 *      struct pickler pickler;
 *      pickler_init(&pickler, state, protocol);
 *      pickler.sink, .hooks, ...                     as wanted
 *      pickler_dump(&pickler, obj);                  once or more, with one memo
 *      pickler_done(&pickler);
 *
 * There is no recursion in C. save() writes what it can at once and pushes the rest as
 * frames on the work stack, one per open container; a frame's step is called, from the
 * top, until it has popped itself:
 *
 *      save([[1, 2], 3])   stack: list[0]             writes ]
 *      list_step           stack: list[1], list[0]    writes ( ]
 *      list_step (inner)   stack: list[1]             writes ( 1 2 e
 *      list_step           stack:                     writes 3 e
 *
 * All functions that return int give 0 when done, or -1 with an exception set, unless
 * they say otherwise. Who calls save() holds exactly one reference to the object for
 * that call: the test for "nobody else can lead here" counts on it. */

#ifndef EXT_PICKLE_PICKLER_H
#define EXT_PICKLE_PICKLER_H

#include "compat.h"
#include "pickle/memo.h"
#include "pickle/opcodes.h"
#include "pickle/sink.h"
#include "state.h"

#define WORK_FIRST 12

/* Deeper nesting than this is taken for a cycle that has no end: RecursionError. */
#define WORK_MAX 4000000

struct pickler;
struct work;

typedef int (*work_step)(struct pickler *p, struct work *w);

/* A frame. It owns `obj` and `next`; what the other fields mean is the step's business.
 */
struct work {
    work_step step;
    PyObject *obj;
    PyObject *next;
    Py_ssize_t at;
    Py_ssize_t n;
    Py_ssize_t n_done;
    int left;
    int close;
};

/* What a use of the engine (hash, dump) does differently; every function may be NULL.
 */
struct pickler_hooks {
    /* Called for an object of no exact builtin type that is not in the memo. May write,
     * push work, or put a new reference into `*ret_instead` to be saved in its place
     * (without being asked again). 1: it is done with; 0: save it as usual; -1:
     * exception. */
    int (*take)(struct pickler *p, PyObject *obj, PyObject **ret_instead);
    /* Called in place of the engine's way to walk a dict, with pairs on their way:
     * pushes the work. `is_exact`: `items` is a dict; else an iterator of pairs. */
    int (*save_items)(struct pickler *p, PyObject *items, bool is_exact);
    /* In place of the engine's way to save a set. */
    int (*save_set)(struct pickler *p, PyObject *set);
    /* An exception is set and the work from frame `at` upwards is to be given up. 1:
     * the exception was dealt with, go on; 0: not here. */
    int (*recover)(struct pickler *p, size_t at);
    /* 1: Outer.Inner below protocol 4 is getattr(Outer, "Inner"), with Outer memoized;
     * 0: one chain of getattr() from the module's own name; -1. */
    int (*nests_by_parent)(struct pickler *p);
    /* The items that a reduce function returns need not be iterators. */
    bool takes_iterables;
};

/* Memo entries that are left out, when compat_has_one_owner(). */
enum memo_policy {
    MEMO_ALL,       /* none is */
    MEMO_IMMUTABLE, /* str, bytes, tuple: at worst written twice, never seen as
                       different */
    MEMO_NO_TEXT,   /* as pickle with joblib's memoize(): no str, no bytes, whoever owns
                       them */
};

#define PICKLER_N_KINDS 8

/* What is known about a class during one pickling (save_instance.c). */
struct pickler_kind {
    PyTypeObject *type; /* borrowed; only compared */
    int is_plain;
};

struct pickler {
    struct core_state *state;
    struct sink sink;
    struct memo memo;
    Py_ssize_t n_memo; /* the next number; may run ahead of the memo's entries */

    struct work *work;
    size_t n_work;
    size_t max_work;
    struct work first_work[WORK_FIRST];

    int protocol;
    bool is_binary; /* protocol >= 1 */
    bool is_fast;   /* no memo at all */
    bool fix_imports;
    bool by_value; /* cloudpickle helps where a name is not enough */
    enum memo_policy memo_policy;
    /* Objects with one owner get a number but no entry, until a hook could lead to
     * them. */
    bool spares_memo;
    bool needs_entries; /* and then it was too late: dump again with spares_memo off */
    size_t n_spared;
    struct pickler_kind kinds[PICKLER_N_KINDS];

    /* Borrowed; NULL: not there. */
    PyObject *persistent_id;
    PyObject *reducer_override;
    PyObject *dispatch_table;
    PyObject *buffer_callback;

    PyObject *cloud; /* owned: a cloudpickle.Pickler, once asked for */
    const struct pickler_hooks *hooks;
    void *hook_context;
};

/* Ready for a protocol of 0 to 5; the caller then initialises `sink`. Cannot fail. */
void pickler_init(struct pickler *p, struct core_state *state, int protocol);

void pickler_done(struct pickler *p);

/* A whole pickle: protocol header, object, STOP; the sink is finished. */
int pickler_dump(struct pickler *p, PyObject *obj);

/* The number meant by an argument `protocol` (None, negative: see pickle.dumps), or -1.
 */
int pickler_protocol(PyObject *protocol);

/* Out-of-band buffers (`callback` neither NULL nor None) exist from protocol 5 on. */
int pickler_check_callback(int protocol, PyObject *callback);

/* --- the work stack (work.c) --- */

/* Push a frame with new references to `obj` and `next` (may be NULL). NULL on error.
 * The pointers to frames held so far are invalid then. */
struct work *work_push(struct pickler *p, work_step step, PyObject *obj,
                       PyObject *next);

/* Pop the top frame and release what it holds. */
void work_pop(struct pickler *p);

/* Later: save `obj`; write the opcode; memoize `obj` or, if it was met meanwhile, drop
 * the copy on the unpickler's stack and get it. */
int work_push_save(struct pickler *p, PyObject *obj);
int work_push_op(struct pickler *p, int op);
int work_push_memo(struct pickler *p, PyObject *obj);

/* Step until the stack is down to `n_work` frames. */
int work_run(struct pickler *p, size_t n_work);

void work_unwind(struct pickler *p, size_t n_work);

/* --- saving (save*.c) --- */

/* Write `obj`, or the beginning of it. */
int save(struct pickler *p, PyObject *obj);

/* The same without asking persistent_id about `obj` itself. */
int save_known(struct pickler *p, PyObject *obj);

/* Give `obj` a number and write it, unless the policy leaves this object out. */
int save_memoize(struct pickler *p, PyObject *obj);

int save_get(struct pickler *p, Py_ssize_t number);

/* Code that could lead to any object at all is about to run, or objects are to be met
 * again: 0, or -1 with an exception set and needs_entries, because entries are missing.
 */
int save_end_sparing(struct pickler *p);

/* A number for an object that exists in the pickle alone. */
int save_number(struct pickler *p);

/* 1: `obj` was met before and a reference to it is written; 0: it was not; -1. */
int save_met(struct pickler *p, PyObject *obj);

int save_bool(struct pickler *p, PyObject *obj);
int save_int(struct pickler *p, PyObject *obj);
int save_float(struct pickler *p, PyObject *obj);
int save_str(struct pickler *p, PyObject *obj);
int save_str_unmemoized(struct pickler *p, PyObject *obj);
int save_bytes(struct pickler *p, PyObject *obj);
int save_bytearray(struct pickler *p, PyObject *obj);
int save_buffer(struct pickler *p, PyObject *obj);
int save_tuple(struct pickler *p, PyObject *obj);
int save_list(struct pickler *p, PyObject *obj);
int save_dict(struct pickler *p, PyObject *obj);
int save_set(struct pickler *p, PyObject *obj);
int save_frozenset(struct pickler *p, PyObject *obj);
int save_type(struct pickler *p, PyObject *obj);

/* By module and name (NULL: its own). */
int save_global(struct pickler *p, PyObject *obj, PyObject *name);

/* The opcode GLOBAL and its two lines, nothing checked. */
int save_global_lines(struct pickler *p, PyObject *module, PyObject *name);

/* `obj` as what the tuple `value`, from a reduce function, says. */
int save_reduce_tuple(struct pickler *p, PyObject *value, PyObject *obj);

/* func(*args) in place of `obj`. Takes over the reference to `args`, which may be NULL
 * with an exception set. */
int save_call(struct pickler *p, PyObject *func, PyObject *args, PyObject *obj);

/* Push: the items of an iterator (or of pairs of one) into the list or dict below. */
int save_list_items(struct pickler *p, PyObject *iterator);
int save_dict_items(struct pickler *p, PyObject *iterator);

/* Push: the entries of an exact dict. */
int save_dict_entries(struct pickler *p, PyObject *dict);

/* Push: the elements of `list` one by one, in batches of APPENDS; the pairs in it, in
 * batches of SET_ITEMS; or its elements with nothing around them, taken out of a list
 * that is nobody else's. */
int save_appends(struct pickler *p, PyObject *list);
int save_pairs(struct pickler *p, PyObject *list);
int save_sequence(struct pickler *p, PyObject *list);

/* Whatever no exact type has claimed: hooks, copyreg, the object's own methods. */
int save_other(struct pickler *p, PyObject *obj);

/* 1: an instance of a plain class, saved; 0: ask its methods; -1. */
int save_instance(struct pickler *p, PyObject *obj);

/* cloudpickle's answer for a function or class: a new reference to a reduce value, to
 * NotImplemented (it would go by name, too), or NULL. */
PyObject *cloud_reduce(struct pickler *p, PyObject *obj);

/* `obj`'s own methods have raised: what cloudpickle does with its type instead, a new
 * reference; or NULL, and the exception is the old one. */
PyObject *cloud_rescue(struct pickler *p, PyObject *obj);

/* Whether functions of the module called `module` go by value. 1, 0, -1. */
int cloud_wants_module(struct pickler *p, PyObject *module);

/* In batches of this many items lists, dicts and sets are filled. */
#define BATCH_ITEMS 1000

/* Close the batch of the frame if one is open, and open another when `n` > 0 items are
 * left: `many` is the opcode that closes a marked batch, `one` the one for a single
 * item (0: always marked). */
int batch_turn(struct pickler *p, struct work *w, Py_ssize_t n, int many, int one);

#endif
