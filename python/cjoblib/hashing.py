"""Hash of any Python object: the same for equal values, in every process.

The digests ``md5`` and ``sha1`` have joblib's values. ``xxh128`` and ``sha256`` are of a
canonical form that is described, byte by byte and with test vectors, in
``doc/formats/hash.md``; they are also the same where joblib's differ from run to run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from cjoblib import _core
from cjoblib._core import UnhashableError, canonical_hash, joblib_hash

if TYPE_CHECKING:
    from cjoblib._hashers import Hasher, NumpyHasher, Pickler

__all__ = [
    "Hasher",
    "NumpyHasher",
    "Pickler",
    "UnhashableError",
    "hash",
    "register_hasher",
]

T = TypeVar("T")

# Hashed by their value in C, before any hook is asked.
_NATIVE_TYPES = (
    type(None),
    bool,
    int,
    float,
    complex,
    str,
    bytes,
    bytearray,
    memoryview,
    tuple,
    list,
    dict,
    set,
    frozenset,
    type,
    type(Ellipsis),
    type(NotImplemented),
    type(lambda: None),
)


def hash(obj: Any, hash_name: str = "md5", coerce_mmap: bool = False) -> str:
    """Return the digest of an object's value in hexadecimal digits.

    Parameters
    ----------
    obj : object
        Anything with a value: data, arrays, functions, classes, instances.
    hash_name : {'md5', 'sha1', 'xxh128', 'sha256'}
        The digest. ``md5`` and ``sha1`` equal joblib's. ``xxh128`` is the fastest;
        ``sha256`` also holds against somebody who wants two objects to collide.
    coerce_mmap : bool
        For md5 and sha1: make no difference between a ``numpy.memmap`` and an array of
        the same values. The others never make one.

    Raises
    ------
    pickle.PicklingError
        md5, sha1: a part of `obj` can't be pickled; the last argument names `obj`.
    UnhashableError
        xxh128, sha256: a part of `obj` has no value of its own (a lock, a generator, a bare
        ``object()``); the message starts with the path to it. It is a
        ``pickle.PicklingError`` and a ``TypeError``.
    ValueError
        No digest is called `hash_name`.
    RecursionError
        `obj` is nested more deeply than the thread's C stack allows.
    """
    if hash_name in ("md5", "sha1"):
        return joblib_hash(obj, hash_name, coerce_mmap)
    if hash_name in ("xxh128", "sha256"):
        return canonical_hash(obj, hash_name)
    raise ValueError(
        "Valid options for 'hash_name' are 'md5', 'sha1', 'xxh128' and 'sha256'; "
        f"got hash_name={hash_name!r}"
    )


def __getattr__(name: str) -> Any:
    # Python's own pickler takes long to import, and only subclassers want these.
    if name in ("Hasher", "NumpyHasher", "Pickler"):
        from cjoblib import _hashers

        return getattr(_hashers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register_hasher(type_: type[T], function: Callable[[T], Any]) -> None:
    """Let ``function(obj)`` return what is hashed in place of objects of a class.

    It holds for classes derived from `type_` too, unless they have a hasher or a
    ``__cjoblib_hash__`` method of their own. The class's name is part of the hash.

    Raises
    ------
    TypeError
        `type_` is not a class, or one that is always hashed by its value.
    """
    if not isinstance(type_, type):
        raise TypeError(f"a class is needed, not {type_!r}")
    if type_ in _NATIVE_TYPES or type_ is object:
        raise TypeError(f"{type_.__name__} is always hashed by its value")
    _core.register_hasher(type_, function)


# Below: classes whose pickled form differs between versions, or from copy to copy.


def _own(obj: Any) -> Any:
    # What a class derived from a known one has added to its objects.
    return getattr(obj, "__dict__", None) or None


def _enum(member: Any) -> Any:
    value = member._value_
    return member._name_, None if type(value) is object else value


def _flag(member: Any) -> Any:
    return member._value_


def _fraction(number: Any) -> Any:
    return number.numerator, number.denominator, _own(number)


def _path(path: Any) -> Any:
    return str(path), _own(path)


def _lru_cache(function: Any) -> Any:
    return function.__wrapped__, function.cache_parameters()


def _seed_sequence(seed: Any) -> Any:
    return seed.state


def _bit_generator(bits: Any) -> Any:
    # NumPy < 1.25 keeps the seed sequence under a private name.
    seed = getattr(bits, "seed_seq", getattr(bits, "_seed_seq", None))
    return bits.state, getattr(seed, "state", None)


def _generator(generator: Any) -> Any:
    return generator.bit_generator


def _random_state(generator: Any) -> Any:
    return generator.get_state(legacy=False)


def _masked_array(array: Any) -> Any:
    import numpy as np

    if array is np.ma.masked:
        # The one constant: it refuses to be asked for its fill value.
        return None
    extra = {k: v for k, v in vars(array).items() if not _is_masked_noise(k)}
    mask = np.ma.getmaskarray(array)
    return (
        np.asarray(array.data),
        np.asarray(mask),
        # Unpickling gives it the array's own type.
        np.asarray(array.fill_value, array.dtype)[()],
        array.hardmask,
        extra,
    )


def _is_masked_noise(name: str) -> bool:
    return name.startswith("_") or name == "fill_value"


def _sparse(matrix: Any) -> Any:
    # What is known about the order of the indices is found out when first asked for.
    noise = ("_has_sorted_indices", "_has_canonical_format", "has_canonical_format")
    return {k: v for k, v in vars(matrix).items() if k not in noise}


def _plain_array(values: Any) -> Any:
    return (
        values.to_numpy()
        if hasattr(values, "_ndarray") and _wraps_numpy(values)
        else values
    )


def _wraps_numpy(values: Any) -> bool:
    return type(values).__name__ in ("NumpyExtensionArray", "PandasArray")


def _backed_array(values: Any) -> Any:
    return values.dtype, values._ndarray, _without_noise(values)


def _extension_array(values: Any) -> Any:
    if hasattr(values, "_pa_array"):
        # A slice and its copy share no layout of Arrow's buffers, only their items.
        return values.dtype, values._pa_array.to_pylist()
    return values.dtype, _without_noise(values)


def _without_noise(values: Any) -> Any:
    # pandas 3 notes whether a column may be written to; what has been asked for is kept.
    own = getattr(values, "__dict__", {})
    return {k: v for k, v in own.items() if k not in ("_readonly", "_cache")}


def _extension_dtype(dtype: Any) -> Any:
    return _metadata(dtype), _without_noise(dtype)


def _frame(frame: Any) -> Any:
    # Column by column: how pandas groups them in blocks is not part of the value.
    columns = [_plain_array(frame.iloc[:, i].array) for i in range(frame.shape[1])]
    flags = frame.flags.allows_duplicate_labels
    return frame.columns, frame.index, columns, frame.attrs, flags, _metadata(frame)


def _series(series: Any) -> Any:
    flags = series.flags.allows_duplicate_labels
    values = _plain_array(series.array)
    return values, series.index, series.name, series.attrs, flags, _metadata(series)


def _metadata(obj: Any) -> Any:
    # What classes derived from pandas' own declare to be kept.
    return {name: getattr(obj, name, None) for name in obj._metadata if name != "_name"}


# By name, so that nothing is imported.
_BY_NAME: dict[tuple[str, str], Callable[[Any], Any] | None] = {
    # Numbers that mean something in one process: addresses, descriptors, its own.
    ("ctypes", "CDLL"): None,
    ("multiprocessing.connection", "_ConnectionBase"): None,
    ("multiprocessing.process", "BaseProcess"): None,
    ("enum", "Enum"): _enum,
    ("enum", "Flag"): _flag,
    ("fractions", "Fraction"): _fraction,
    ("functools", "_lru_cache_wrapper"): _lru_cache,
    ("numpy.random.bit_generator", "SeedSequence"): _seed_sequence,
    ("numpy.random.bit_generator", "BitGenerator"): _bit_generator,
    ("numpy.random._generator", "Generator"): _generator,
    ("numpy.random.mtrand", "RandomState"): _random_state,
    ("numpy.ma", "MaskedArray"): _masked_array,
    ("pathlib", "PurePath"): _path,
    ("pandas.core.frame", "DataFrame"): _frame,
    ("pandas", "DataFrame"): _frame,
    ("pandas.core.series", "Series"): _series,
    ("pandas", "Series"): _series,
    ("pandas._libs.arrays", "NDArrayBacked"): _backed_array,
    ("pandas.core.arrays.base", "ExtensionArray"): _extension_array,
    ("pandas.api.extensions", "ExtensionArray"): _extension_array,
    ("pandas.core.dtypes.base", "ExtensionDtype"): _extension_dtype,
    ("pandas.api.extensions", "ExtensionDtype"): _extension_dtype,
    ("scipy.sparse._base", "_spbase"): _sparse,
    ("scipy.sparse._base", "spmatrix"): _sparse,
}

for _key, _function in _BY_NAME.items():
    _core.register_hasher(_key, _function)
