/* The pickling engine's share of the module state. */

#ifndef EXT_PICKLE_PICKLE_STATE_H
#define EXT_PICKLE_PICKLE_STATE_H

/* N(X, field, text): interned strings, made by pickle_exec(). */
#define PICKLE_NAMES(N, X)                          \
    N(X, name_args, "args")                         \
    N(X, name_builtins, "builtins")                 \
    N(X, name_class, "__class__")                   \
    N(X, name_dispatch_table, "dispatch_table")     \
    N(X, name_dot, ".")                             \
    N(X, name_func, "__func__")                     \
    N(X, name_getattr, "getattr")                   \
    N(X, name_getnewargs, "__getnewargs__")         \
    N(X, name_getnewargs_ex, "__getnewargs_ex__")   \
    N(X, name_getstate, "__getstate__")             \
    N(X, name_latin1, "latin1")                     \
    N(X, name_locals, "<locals>")                   \
    N(X, name_main, "__main__")                     \
    N(X, name_module, "__module__")                 \
    N(X, name_name, "__name__")                     \
    N(X, name_new, "__new__")                       \
    N(X, name_newobj, "__newobj__")                 \
    N(X, name_newobj_ex, "__newobj_ex__")           \
    N(X, name_persistent_id, "persistent_id")       \
    N(X, name_qualname, "__qualname__")             \
    N(X, name_reduce, "__reduce__")                 \
    N(X, name_reduce_ex, "__reduce_ex__")           \
    N(X, name_reducer_override, "reducer_override") \
    N(X, name_self, "__self__")                     \
    N(X, name_sequence, "_sequence")                \
    N(X, name_slotnames, "__slotnames__")           \
    N(X, name_split, "split")                       \
    N(X, name_write, "write")

#define PICKLE_NAME_ONLY(X, field, text) X(field)

/* Made by pickle_exec(): the first three; taken from other modules when first needed:
 * the rest (see pickle_import()). */
#define PICKLE_STATE_OBJECTS(X) \
    X(pickler_type)             \
    X(pickler_memo_type)        \
    X(getattr_function)         \
    X(copyreg_slotnames)        \
    X(pickle_dispatch_table)    \
    X(extension_registry)       \
    X(reverse_name_mapping)     \
    X(reverse_import_mapping)   \
    X(pickle_error_type)        \
    X(pickle_partial)           \
    X(codecs_encode)            \
    X(pickle_nests_by_parent)   \
    X(stdlib_dumps)             \
    X(spare_md5)                \
    X(spare_sha1)               \
    X(pickle_numpy_ndarray)     \
    X(pickle_numpy_dtype)       \
    X(pickle_numpy_memmap)      \
    X(pickle_numpy_uint8)       \
    PICKLE_NAMES(PICKLE_NAME_ONLY, X)

#endif
