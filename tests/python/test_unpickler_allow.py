"""The allow-list: what may be imported, and the ways around it that others have met (S06).

Every stream of BYPASSES is one that a public scanner or restricted loader once let through;
here each of them is refused before anything outside of the list is imported.
"""

import builtins
import collections
import copyreg
import datetime
import fractions
import io
import pickle
import struct
import sys

import pytest

from cjoblib._core import Unpickler, pickle_loads


def text(value):
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def stack_global(module, name):
    return text(module) + text(name) + b"\x93"


def call(module, name, arguments=b""):
    """A protocol 4 stream that calls module.name."""
    return b"\x80\x04" + stack_global(module, name) + b"(" + arguments + b"tR."


def load_file(data, **options):
    return Unpickler(io.BytesIO(data), **options).load()


LOADERS = [pickle_loads, load_file]

#: Modules that no test has imported and that are there in every Python.
FAR = "this"

#: name -> (allow, stream).
BYPASSES = {
    # Well-known names and their aliases.
    "os.system": ((), b"cos\nsystem\n(S'true'\ntR."),
    "posix": ((), b"cposix\nsystem\n(S'true'\ntR."),
    "python 2 name": (("builtins.set",), b"c__builtin__\neval\n(S'1'\ntR."),
    "python 2 module": (("builtins.set",), b"ccommands\ngetoutput\n(S'true'\ntR."),
    "stack global": ((), call("os", "system", text("true"))),
    "inst": ((), b"(S'true'\nios\nsystem\n."),
    "obj": ((), b"(cos\nsystem\nS'true'\no."),
    "newobj": ((), b"\x80\x02cos\nsystem\n)\x81."),
    "newobj_ex": ((), b"\x80\x04" + stack_global("os", "_Environ") + b")}\x92."),
    "memoized names": (
        ("collections.OrderedDict",),
        b"\x80\x04" + text("os") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93.",
    ),
    "import only": ((), f"c{FAR}\ns\n.".encode()),
    "import and pop": ((), f"c{FAR}\ns\n0N.".encode()),
    "import of a submodule": (
        ("collections.OrderedDict",),
        b"cxml.dom.minidom\nparse\n.",
    ),
    # Names that only look like allowed ones.
    "prefix": (("collections.OrderedDict",), b"ccollections\nOrderedDictX\n."),
    "module prefix": (("collections.*",), b"ccollectionsx\nOrderedDict\n."),
    "case": (("collections.OrderedDict",), b"ccollections\nordereddict\n."),
    "space": (("collections.*",), b"c collections\nOrderedDict\n."),
    "empty part": (("collections.*",), call("collections", ".OrderedDict")),
    "empty end": (("collections.*",), call("collections", "OrderedDict.")),
    "star": (("collections.OrderedDict",), b"ccollections\n*\n."),
    "lookalike": (("os.path",), "cо\npath\n.".encode()),
    # Dotted names that lead out of the list.
    "through a module": (("collections.*",), call("collections", "abc.sys.modules")),
    "through a module's module": (
        ("collections.*",),
        call("collections", "_sys.modules"),
    ),
    "exact, dotted": (("collections.OrderedDict",), call("collections", "_sys.exit")),
    "through a function": (
        ("collections.*",),
        call("collections", "namedtuple.__globals__.get"),
    ),
    "through a method": (
        ("fractions.*",),
        call("fractions", "Fraction.limit_denominator.__globals__.get"),
    ),
    "class attribute that is a function": (
        ("fractions.Fraction",),
        call("fractions", "Fraction.__init_subclass__"),
    ),
    "subclasses": (
        ("collections.*",),
        call("collections", "OrderedDict.__subclasses__"),
    ),
    "builtins of a module": (
        ("collections.*",),
        call("collections", "__builtins__.get"),
    ),
    "loader of a module": (
        ("collections.*",),
        call("collections", "__loader__.load_module"),
    ),
    # What a module of the list has imported.
    "a module": (("collections.*",), b"ccollections\n_sys\n."),
    "a module, proto 4": (
        ("collections.*",),
        b"\x80\x04" + stack_global("collections", "abc") + b".",
    ),
    "somebody else's function": (("collections.*",), b"ccollections\n_starmap\n."),
    "somebody else's class": (("fractions.*",), b"cfractions\nDecimal\n."),
    "not callable": (("collections.*",), b"ccollections\n__all__\n."),
    # Calls of what find_class has not given.
    "call of an instance": (
        ("collections.OrderedDict",),
        b"ccollections\nOrderedDict\n)\x81)R.",
    ),
    "call of a result": (
        ("functools.partial", "builtins.len"),
        b"cfunctools\npartial\n(cbuiltins\nlen\ntR(]tR.",
    ),
    "newobj of a result": (
        ("builtins.type", "collections.OrderedDict"),
        b"cbuiltins\ntype\n(]tR)\x81.",
    ),
    "obj of an instance": (
        ("collections.OrderedDict",),
        b"ccollections\nOrderedDict\n)\x81q\x000(h\x00o.",
    ),
    # Changing what others use.
    "build of a class": (
        ("fractions.Fraction",),
        b"cfractions\nFraction\n(N}S'x'\nNstb.",
    ),
    "build of a function": (
        ("collections.namedtuple",),
        b"ccollections\nnamedtuple\n}S'x'\nNsb.",
    ),
    # Extension codes.
    "extension code": (("collections.OrderedDict",), b"\x80\x02\x82\xf0."),
}


@pytest.fixture
def extension():
    copyreg.add_extension(FAR, "s", 0xF0)
    yield
    copyreg.remove_extension(FAR, "s", 0xF0)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("name", BYPASSES)
def test_bypass(name, load, extension, monkeypatch):
    allow, stream = BYPASSES[name]
    for module in {p.rpartition(".")[0] for p in allow}:
        __import__(module)
    imported = []
    real_import = builtins.__import__

    def spy(module, *args, **kwds):
        imported.append(module)
        return real_import(module, *args, **kwds)

    monkeypatch.setattr(builtins, "__import__", spy)
    before = set(sys.modules)
    with pytest.raises((pickle.UnpicklingError, ModuleNotFoundError)) as info:
        load(stream, allow=allow)
    allowed = {p.rpartition(".")[0] for p in allow}
    assert set(imported) <= allowed | {"_compat_pickle", "_io", "copyreg", "pickle"}
    assert set(sys.modules) - before <= {"_compat_pickle"}
    assert "not allowed" in str(info.value)


def test_the_refusal_names_the_global():
    with pytest.raises(
        pickle.UnpicklingError, match=r"'posix.system'.*at byte 2 in GLOBAL"
    ):
        pickle_loads(b"\x80\x03cposix\nsystem\n.", allow=["numpy.*"])
    with pytest.raises(pickle.UnpicklingError, match="'builtins.eval'"):
        pickle_loads(b"c__builtin__\neval\n.", allow=["numpy.*"])


@pytest.mark.parametrize("load", LOADERS)
def test_what_is_allowed(load):
    value = [
        collections.OrderedDict(a=1),
        fractions.Fraction(1, 2),
        datetime.date(2020, 1, 1),
    ]
    exact = ["collections.OrderedDict", "fractions.Fraction", "datetime.date"]
    wide = ["collections.*", "fractions.*", "datetime.*"]
    for proto in range(2, 6):
        data = pickle.dumps(value, proto)
        for allow in (
            exact,
            wide,
            tuple(exact),
            set(exact),
            iter(exact),
            dict.fromkeys(wide),
        ):
            extra = ["_codecs.encode"] if proto < 3 else []
            assert load(data, allow=[*allow, *extra]) == value
        for i in range(3):
            with pytest.raises(pickle.UnpicklingError):
                load(data, allow=[*exact[:i], *exact[i + 1 :], "_codecs.encode"])
    assert load(pickle.dumps([1, "a", {2: 3.0}, (b"x", {4})], 4), allow=()) == [
        1, "a", {2: 3.0}, (b"x", {4})
    ]  # fmt: skip
    assert load(b"c__builtin__\nset\n.", allow=["builtins.set"]) is set
    assert load(b"\x80\x04" + stack_global("pickle", "Unpickler") + b".", allow=None)


def test_nested_classes_and_stars():
    name = stack_global(__name__, "Outer.Inner")
    data = b"\x80\x04" + name + b")\x81."
    for pattern in (
        f"{__name__}.Outer.Inner",
        f"{__name__}.Outer.*",
        f"{__name__}.*",
        f"{__name__}.*.Inner",
        "*.Outer.Inner",
    ):
        assert type(pickle_loads(data, allow=[pattern])) is Outer.Inner
    for pattern in (
        f"{__name__}.Outer",
        f"{__name__}.*.Other",
        f"{__name__}.*.*.*",
        "*.Outer",
    ):
        with pytest.raises(pickle.UnpicklingError):
            pickle_loads(data, allow=[pattern])


class Outer:
    class Inner:
        pass


@pytest.mark.parametrize(
    "bad", ["numpy", "numpy.nd*", "", ".", "a..b", ".a", "a.", "**.a"]
)
def test_bad_patterns(bad):
    with pytest.raises(ValueError):
        pickle_loads(b"N.", allow=[bad])
    with pytest.raises(ValueError):
        Unpickler(io.BytesIO(), allow=[bad])


@pytest.mark.parametrize("bad", ["numpy.*", b"numpy.*", 5, [5], [b"a.b"], [None]])
def test_bad_allow(bad):
    with pytest.raises(TypeError):
        pickle_loads(b"N.", allow=bad)


def test_hooks_come_after_the_list():
    asked = []

    def find_class(module, name):
        asked.append((module, name))
        return int

    assert (
        pickle_loads(
            b"cbuiltins\nint\n)R.", allow=["builtins.int"], find_class=find_class
        )
        == 0
    )
    with pytest.raises(pickle.UnpicklingError):
        pickle_loads(b"cos\nsystem\n)R.", allow=["builtins.int"], find_class=find_class)
    assert asked == [("builtins", "int")]

    class Sub(Unpickler):
        def find_class(self, module, name):
            asked.append((module, name))
            return super().find_class(module, name)

    assert Sub(io.BytesIO(b"cbuiltins\nint\n)R."), allow=["builtins.int"]).load() == 0
    with pytest.raises(pickle.UnpicklingError):
        Sub(io.BytesIO(b"cos\nsystem\n)R."), allow=["builtins.int"]).load()
    unpickler = Unpickler(io.BytesIO(), allow=["builtins.int"])
    with pytest.raises(pickle.UnpicklingError):
        unpickler.find_class("os", "system")


def test_nested_streams_inherit():
    """How a hook that loads a stream inside the stream hands the list on."""

    class Outer(Unpickler):
        def persistent_load(self, pid):
            return type(self)(io.BytesIO(pid), allow=self.allow).load()

    inner = b"cos\nsystem\n."
    data = b"B" + struct.pack("<I", len(inner)) + inner + b"Q."
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        Outer(io.BytesIO(data), allow=["builtins.int"]).load()
    inner = b"cbuiltins\nint\n."
    data = b"B" + struct.pack("<I", len(inner)) + inner + b"Q."
    assert Outer(io.BytesIO(data), allow=["builtins.int"]).load() is int
    assert Unpickler(io.BytesIO()).allow is None


def test_numpy_arrays():
    np = pytest.importorskip("numpy")
    core = "numpy._core" if hasattr(np, "_core") else "numpy.core"
    exact = [
        f"{core}.multiarray._reconstruct",
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.core.multiarray._reconstruct",
        f"{core}.numeric._frombuffer",
        "_codecs.encode",
    ]
    value = np.array([1, 2, 3])
    for proto in range(6):
        data = pickle.dumps(value, proto)
        for allow in (exact, ["numpy.*", "_codecs.encode"]):
            assert np.array_equal(pickle_loads(data, allow=allow), value)
    with pytest.raises(pickle.UnpicklingError):
        pickle_loads(b"cnumpy\nlinalg\n.", allow=["numpy.*"])
