/* What the unpickler keeps in the module's state (see state.h). All of it but the types
 * is made on first use, so that importing the module imports nothing. */

#ifndef EXT_PICKLE_UNPICKLER_STATE_H
#define EXT_PICKLE_UNPICKLER_STATE_H

/* unpickling_error   pickle.UnpicklingError
 * name_mapping       _compat_pickle.NAME_MAPPING: globals of Python 2
 * import_mapping     _compat_pickle.IMPORT_MAPPING: its modules
 * str_*              interned names */
#define UNPICKLER_STATE_OBJECTS(X) \
    X(unpickler_type)              \
    X(unpickler_memo_type)         \
    X(unpickling_error)            \
    X(name_mapping)                \
    X(import_mapping)              \
    X(str_setstate)                \
    X(str_dict)                    \
    X(str_extend)                  \
    X(str_append)                  \
    X(str_add)                     \
    X(str_find_class)              \
    X(str_persistent_load)

#endif
