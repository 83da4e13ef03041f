/* The opcodes, X(code, NAME, function): the names of pickletools, protocols 0 to 5.
 * The hot ones are inline functions of load_hot.h, so that the loop holds them itself.
 */

#ifndef EXT_PICKLE_LOAD_OPS_H
#define EXT_PICKLE_LOAD_OPS_H

#include "pickle/unpickler.h"

#define LOAD_HOT_OPS(X)                              \
    X('(', MARK, load_mark)                          \
    X(')', EMPTY_TUPLE, load_empty_tuple)            \
    X('.', STOP, load_stop)                          \
    X('G', BINFLOAT, load_binfloat)                  \
    X('J', BININT, load_binint)                      \
    X('K', BININT1, load_binint1)                    \
    X('M', BININT2, load_binint2)                    \
    X('N', NONE, load_none)                          \
    X('X', BINUNICODE, load_binunicode)              \
    X(']', EMPTY_LIST, load_empty_list)              \
    X('h', BINGET, load_binget)                      \
    X('j', LONG_BINGET, load_long_binget)            \
    X('q', BINPUT, load_binput)                      \
    X('r', LONG_BINPUT, load_long_binput)            \
    X('}', EMPTY_DICT, load_empty_dict)              \
    X(0x85, TUPLE1, load_tuple1)                     \
    X(0x86, TUPLE2, load_tuple2)                     \
    X(0x87, TUPLE3, load_tuple3)                     \
    X(0x88, NEWTRUE, load_newtrue)                   \
    X(0x89, NEWFALSE, load_newfalse)                 \
    X(0x8c, SHORT_BINUNICODE, load_short_binunicode) \
    X(0x94, MEMOIZE, load_memoize)

#define LOAD_COLD_OPS(X)                          \
    X('0', POP, load_pop)                         \
    X('1', POP_MARK, load_pop_mark)               \
    X('2', DUP, load_dup)                         \
    X('B', BINBYTES, load_binbytes)               \
    X('C', SHORT_BINBYTES, load_short_binbytes)   \
    X('F', FLOAT, load_float)                     \
    X('I', INT, load_int)                         \
    X('L', LONG, load_long)                       \
    X('P', PERSID, load_persid)                   \
    X('Q', BINPERSID, load_binpersid)             \
    X('R', REDUCE, load_reduce)                   \
    X('S', STRING, load_string)                   \
    X('T', BINSTRING, load_binstring)             \
    X('U', SHORT_BINSTRING, load_short_binstring) \
    X('V', UNICODE, load_unicode)                 \
    X('a', APPEND, load_append)                   \
    X('b', BUILD, load_build)                     \
    X('c', GLOBAL, load_global)                   \
    X('d', DICT, load_dict)                       \
    X('e', APPENDS, load_appends)                 \
    X('g', GET, load_get)                         \
    X('i', INST, load_inst)                       \
    X('l', LIST, load_list)                       \
    X('o', OBJ, load_obj)                         \
    X('p', PUT, load_put)                         \
    X('s', SETITEM, load_setitem)                 \
    X('t', TUPLE, load_tuple)                     \
    X('u', SETITEMS, load_setitems)               \
    X(0x80, PROTO, load_proto)                    \
    X(0x81, NEWOBJ, load_newobj)                  \
    X(0x82, EXT1, load_ext1)                      \
    X(0x83, EXT2, load_ext2)                      \
    X(0x84, EXT4, load_ext4)                      \
    X(0x8a, LONG1, load_long1)                    \
    X(0x8b, LONG4, load_long4)                    \
    X(0x8d, BINUNICODE8, load_binunicode8)        \
    X(0x8e, BINBYTES8, load_binbytes8)            \
    X(0x8f, EMPTY_SET, load_empty_set)            \
    X(0x90, ADDITEMS, load_additems)              \
    X(0x91, FROZENSET, load_frozenset)            \
    X(0x92, NEWOBJ_EX, load_newobj_ex)            \
    X(0x93, STACK_GLOBAL, load_stack_global)      \
    X(0x95, FRAME, load_frame)                    \
    X(0x96, BYTEARRAY8, load_bytearray8)          \
    X(0x97, NEXT_BUFFER, load_next_buffer)        \
    X(0x98, READONLY_BUFFER, load_readonly_buffer)

#define LOAD_DECLARE(code, name, function) int function(struct unpickler *unpickler);
LOAD_COLD_OPS(LOAD_DECLARE)
#undef LOAD_DECLARE

#endif
