"""Write the seeds of the fuzz targets: tests/fuzz/make_corpus.py

corpus/unpickler/: a stream for each opcode, for each kind of object in each protocol, and
for the ways in which a stream is broken; unpickler.dict: the opcodes, with arguments that
matter. Both are committed; make again what a new opcode or structure needs.
"""

import collections
import pickle
import pickletools
import struct
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "corpus" / "unpickler"


def u4(n):
    return struct.pack("<I", n)


def u8(n):
    return struct.pack("<Q", n)


#: One stream for each opcode, with what must be on the stack before it.
BY_OPCODE = {
    "INT": b"I-12\n.", "INT_bool": b"I01\n.", "BININT": b"J\xff\xff\xff\xff.",
    "BININT1": b"K\x07.", "BININT2": b"M\x07\x01.", "LONG": b"L12345678901234567890L\n.",
    "LONG1": b"\x8a\x09\0\0\0\0\0\0\0\0\x01.", "LONG4": b"\x8b" + u4(2) + b"\x01\x02.",
    "STRING": b"S'a\\x41\\n\\101'\n.", "BINSTRING": b"T" + u4(3) + b"abc.",
    "SHORT_BINSTRING": b"U\x03abc.", "BINBYTES": b"B" + u4(3) + b"abc.",
    "SHORT_BINBYTES": b"C\x03abc.", "BINBYTES8": b"\x8e" + u8(3) + b"abc.",
    "BYTEARRAY8": b"\x96" + u8(3) + b"abc.", "NEXT_BUFFER": b"\x97.",
    "READONLY_BUFFER": b"\x97\x98.", "NONE": b"N.", "NEWTRUE": b"\x88.",
    "NEWFALSE": b"\x89.", "UNICODE": b"V\\u00e9a\xe9\n.",
    "SHORT_BINUNICODE": b"\x8c\x03a\xc3\xa9.", "BINUNICODE": b"X" + u4(3) + b"a\xc3\xa9.",
    "BINUNICODE8": b"\x8d" + u8(3) + b"a\xc3\xa9.", "FLOAT": b"F1.5e3\n.",
    "BINFLOAT": b"G" + struct.pack(">d", -0.5) + b".", "EMPTY_LIST": b"].",
    "APPEND": b"]K\x01a.", "APPENDS": b"](K\x01K\x02e.", "LIST": b"(K\x01K\x02l.",
    "EMPTY_TUPLE": b").", "TUPLE": b"(K\x01K\x02t.", "TUPLE1": b"N\x85.",
    "TUPLE2": b"NN\x86.", "TUPLE3": b"NNN\x87.", "EMPTY_DICT": b"}.",
    "DICT": b"(K\x01K\x02d.", "SETITEM": b"}K\x01K\x02s.", "SETITEMS": b"}(K\x01K\x02u.",
    "EMPTY_SET": b"\x8f.", "ADDITEMS": b"\x8f(K\x01K\x02\x90.",
    "FROZENSET": b"(K\x01K\x02\x91.", "POP": b"NN0.", "DUP": b"K\x012\x86.",
    "MARK": b"((tt.", "POP_MARK": b"N(NN1.", "GET": b"]p5\ng5\n\x86.",
    "BINGET": b"]q\x05h\x05\x86.", "LONG_BINGET": b"]r" + u4(256) + b"j" + u4(256) + b"\x86.",
    "PUT": b"Np7\n.", "BINPUT": b"Nq\x07.", "LONG_BINPUT": b"Nr" + u4(300) + b".",
    "MEMOIZE": b"]\x94h\x00\x86.", "EXT1": b"\x82\x01.", "EXT2": b"\x83\x01\x01.",
    "EXT4": b"\x84" + u4(1) + b".", "GLOBAL": b"cbuiltins\nint\n.",
    "STACK_GLOBAL": b"\x8c\x08builtins\x8c\x03int\x93.",
    "REDUCE": b"cbuiltins\nint\n(S'5'\ntR.", "BUILD": b"ca\nb\n)R}U\x01aK\x01sb.",
    "BUILD_slots": b"ca\nb\n)R}}U\x01aK\x01s\x86b.", "BUILD_setstate": b"caa\nb\n)RK\x01b.",
    "INST": b"(K\x01ia\nb\n.", "OBJ": b"(ca\nb\nK\x01o.", "NEWOBJ": b"ca\nb\n)\x81.",
    "NEWOBJ_EX": b"ca\nb\n)}\x92.", "PROTO": b"\x80\x05N.", "STOP": b".",
    "FRAME": b"\x80\x04\x95" + u8(2) + b"N.", "PERSID": b"Pabc\n.", "BINPERSID": b"K\x05Q.",
}  # fmt: skip

#: What a stream claims and does not hold, and what is where it does not belong.
BROKEN = {
    "empty": b"", "long1_negative_length": b"\x8b" + u4(2**31) + b".",
    "binbytes8_huge": b"\x8e" + u8(2**63) + b"abc.", "frame_huge": b"\x80\x04\x95" + u8(2**64 - 1) + b"N.",
    "frame_short": b"\x80\x04\x95" + u8(3) + b"N.", "frame_straddled": b"\x80\x04\x95" + u8(3) + b"\x8c\x03abc.",
    "memo_huge": b"Nr" + u4(2**32 - 1) + b".", "memo_text_huge": b"Np99999999999999999999\n.",
    "memo_missing": b"h\x09.", "no_mark": b"Nt.", "mark_is_stack_end": b"(0.", "unknown_opcode": b"\xff.",
    "odd_items": b"}(Nu.", "unhashable_key": b"}]Ns.", "append_to_none": b"NNa.", "setitem_on_list": b"]NNs.",
    "protocol_9": b"\x80\x09N.", "newline_missing": b"I12", "text_not_utf8": b"\x8c\x01\xff.",
    "text_surrogate": b"\x8c\x03\xed\xa0\x80.", "escape_cut": b"S'\\x4'\n.", "unquoted": b"Sabc\n.",
    "many_digits": b"I" + b"9" * 5000 + b"\n.", "deep": b"(" * 300 + b"t" * 300 + b".",
    "deep_lists": b"]" * 300 + b"a" * 299 + b".", "in_itself": b"]q\x00h\x00a.",
    "tuple_in_itself": b"(]q\x00(h\x00tt0h\x00.", "dict_in_itself": b"}q\x00K\x01h\x00s.",
    "set_of_set": b"\x8f(\x8f\x90.", "build_on_list": b"]}b.", "reduce_none": b"N)R.", "obj_empty": b"(o.",
    "global_dotted": b"cos.path\njoin.__globals__\n.", "stack_global_of_numbers": b"K\x01K\x02\x93.",
}  # fmt: skip


def objects():
    """A name and an object for each kind of structure."""
    own = [1]
    own.append(own)
    shared = ["shared"]
    return {
        "numbers": [0, 255, 65535, -1, 2**31, 10**40, -(10**30), 1.5, True, None],
        "texts": ["", "a", "é", "\ud800", "long" * 70, b"", b"a\n", b"b" * 300, bytearray(b"a")],
        "containers": [(), (1,), (1, 2, 3, 4), [[]], {"a": {1: 2}}, {1, 2}, frozenset("a")],
        "shared": [shared, shared, (shared, own)],
        "classes": [collections.OrderedDict(a=1), 1j, range(3), len, collections.deque([1])],
    }  # fmt: skip


def streams():
    for name, data in BY_OPCODE.items():
        yield f"op-{name}", data
    for name, data in BROKEN.items():
        yield f"broken-{name}", data
    for name, value in objects().items():
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            yield f"protocol{protocol}-{name}", pickle.dumps(value, protocol)


def dictionary():
    """Each opcode alone, and before the arguments where things go wrong."""
    for op in pickletools.opcodes:
        yield op.name, op.code.encode("latin-1")
    for length in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"u4_{length}", u4(length)
    for length in (1, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
        yield f"u8_{length}", u8(length)
    yield "two_lines", b"a\nb\n"
    yield "mark_dict", b"}(K\x01K\x02u"
    yield "frame", b"\x80\x04\x95" + u8(2) + b"N."


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    for name, data in streams():
        (FOLDER / name).write_bytes(data)
    quoted = lambda data: "".join("\\x%02x" % byte for byte in data)  # noqa: E731
    lines = [f'{name}="{quoted(data)}"' for name, data in dictionary()]
    (HERE / "unpickler.dict").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
