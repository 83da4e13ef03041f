/* The pickle machine's instructions that the pickler writes (pickletools.py documents
 * them; PEPs 307, 3154 and 574 brought protocols 2, 4 and 5). */

#ifndef EXT_PICKLE_OPCODES_H
#define EXT_PICKLE_OPCODES_H

enum opcode {
    OP_NONE = 'N',
    OP_NEW_TRUE = 0x88,
    OP_NEW_FALSE = 0x89,
    OP_INT = 'I',
    OP_LONG = 'L',
    OP_BIN_INT = 'J',
    OP_BIN_INT1 = 'K',
    OP_BIN_INT2 = 'M',
    OP_LONG1 = 0x8a,
    OP_LONG4 = 0x8b,
    OP_FLOAT = 'F',
    OP_BIN_FLOAT = 'G',

    OP_UNICODE = 'V',
    OP_BIN_UNICODE = 'X',
    OP_SHORT_BIN_UNICODE = 0x8c,
    OP_BIN_UNICODE8 = 0x8d,
    OP_BIN_BYTES = 'B',
    OP_SHORT_BIN_BYTES = 'C',
    OP_BIN_BYTES8 = 0x8e,
    OP_BYTEARRAY8 = 0x96,
    OP_NEXT_BUFFER = 0x97,
    OP_READONLY_BUFFER = 0x98,

    OP_MARK = '(',
    OP_POP = '0',
    OP_POP_MARK = '1',
    OP_TUPLE = 't',
    OP_EMPTY_TUPLE = ')',
    OP_TUPLE1 = 0x85,
    OP_TUPLE2 = 0x86,
    OP_TUPLE3 = 0x87,
    OP_LIST = 'l',
    OP_EMPTY_LIST = ']',
    OP_APPEND = 'a',
    OP_APPENDS = 'e',
    OP_DICT = 'd',
    OP_EMPTY_DICT = '}',
    OP_SET_ITEM = 's',
    OP_SET_ITEMS = 'u',
    OP_EMPTY_SET = 0x8f,
    OP_ADD_ITEMS = 0x90,
    OP_FROZENSET = 0x91,

    OP_GET = 'g',
    OP_BIN_GET = 'h',
    OP_LONG_BIN_GET = 'j',
    OP_PUT = 'p',
    OP_BIN_PUT = 'q',
    OP_LONG_BIN_PUT = 'r',
    OP_MEMOIZE = 0x94,

    OP_GLOBAL = 'c',
    OP_STACK_GLOBAL = 0x93,
    OP_EXT1 = 0x82,
    OP_EXT2 = 0x83,
    OP_EXT4 = 0x84,
    OP_REDUCE = 'R',
    OP_NEW_OBJ = 0x81,
    OP_NEW_OBJ_EX = 0x92,
    OP_BUILD = 'b',
    OP_PERSID = 'P',
    OP_BIN_PERSID = 'Q',

    OP_PROTO = 0x80,
    OP_FRAME = 0x95,
    OP_STOP = '.',
};

/* The newest protocol known, and the one used when none is named. */
#define PICKLE_PROTOCOL_MAX 5

#endif
