/* All objects that the module owns, in one struct made from one list. */

#ifndef EXT_STATE_H
#define EXT_STATE_H

#include "compat.h"
#include "pickle/pickle_state.h"
#include "pickle/unpickler_state.h"

/* X(name): a strong reference, made by core_exec() or on first use. */
#define STATE_OBJECTS(X)                                                             \
    X(decoder_type)                                                                  \
    X(lease_type)                                                                    \
    X(leases) /* capsule: who computes what, of all stores of the interpreter */     \
    X(digest_type)                                                                   \
    X(encoder_type)                                                                  \
    X(region_type)                                                                   \
    X(store_type)                                                                    \
    X(shelf_type)                                                                    \
    X(memo_type)                                                                     \
    X(pool_type)                                                                     \
    X(block_type)                                                                    \
    X(run_type)                                                                      \
    X(delayed_type)                                                                  \
    X(delayed_function) /* the function of the module that makes them */             \
    X(shared_type)                                                                   \
    X(threads_type)                                                                  \
    X(lane_type)                                                                     \
    X(tracer_type)                                                                   \
    X(tracer) /* the Tracer that is on, or none */                                   \
    X(str_compute)                                                                   \
    X(str_star)                                                                      \
    X(str_star_star)                                                                 \
    X(unhashable_error) /* hash/: class UnhashableError(PicklingError, TypeError) */ \
    X(pickling_error)                                                                \
    X(hashers)        /* dict: class or (module, name) -> function */                \
    X(hasher_names)   /* dict: the bare names among them */                          \
    X(dispatch_table) /* copyreg's, and its two makers */                            \
    X(newobj)                                                                        \
    X(newobj_ex)                                                                     \
    X(reduce_name)     /* "__reduce_ex__" */                                         \
    X(reduce_old_name) /* "__reduce__" */                                            \
    X(hook_name)       /* "__cjoblib_hash__" */                                      \
    X(four)                                                                          \
    X(signed_keyword) /* {"signed": True} */                                         \
    X(numpy_name)     /* "numpy", and what is fetched from it once it is there */    \
    X(numpy_array)                                                                   \
    X(numpy_scalar)                                                                  \
    X(numpy_dtype)                                                                   \
    X(numpy_memmap)                                                                  \
    X(numpy_asarray)                                                                 \
    X(persist_numpy_matrix)                                                          \
    PICKLE_STATE_OBJECTS(X)                                                          \
    UNPICKLER_STATE_OBJECTS(X)

struct core_state {
#define STATE_FIELD(name) PyObject *name;
    STATE_OBJECTS(STATE_FIELD)
#undef STATE_FIELD
};

/* The state behind a module object. */
struct core_state *core_state(PyObject *module);

/* The state behind one of the module's types, or behind a type derived from one. NULL
 * with an exception set when `type` is not one of those. */
struct core_state *core_state_of_type(PyTypeObject *type);

/* Make a type from its spec, keep it in the state and show it in the module. */
int core_add_type(PyObject *module, PyType_Spec *spec, PyObject **ret_type);

#endif
