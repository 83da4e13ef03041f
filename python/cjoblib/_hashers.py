"""joblib's hash on Python's own pickler, for those who override a method of it.

The values are those of :func:`cjoblib.hashing.hash`, which is far faster.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import types
from collections.abc import Iterable
from typing import Any

from cjoblib.hashing import hash

__all__ = ["Hasher", "NumpyHasher", "Pickler"]

Pickler: Any = pickle._Pickler

# What the memo knows joblib's stand-in classes by: they need not exist here.
_STAND_INS = {"_MyHash": object(), "_ConsistentSet": object()}


class Hasher(Pickler):  # type: ignore[misc]
    """Hashes one object by pickling it in joblib's canonical way.

    Parameters
    ----------
    hash_name : str
        A name that :func:`hashlib.new` knows.
    """

    dispatch = Pickler.dispatch.copy()

    def __init__(self, hash_name: str = "md5") -> None:
        self.stream = io.BytesIO()
        super().__init__(self.stream, protocol=3)
        self._hash = hashlib.new(hash_name, usedforsecurity=False)

    def hash(self, obj: Any, return_digest: bool = True) -> str | None:
        """Take `obj` in, and return the digest in hexadecimal digits if asked to.

        Raises
        ------
        pickle.PicklingError
            A part of `obj` cannot be pickled; the last argument names `obj`.
        """
        try:
            self.dump(obj)
        except pickle.PicklingError as error:
            error.args = (
                *error.args,
                f"PicklingError while hashing {obj!r}: {error!r}",
            )
            raise
        self._hash.update(self.stream.getvalue())
        return self._hash.hexdigest() if return_digest else None

    def save(self, obj: Any) -> None:
        """Write an object; methods as their name, their object and its class."""
        if isinstance(obj, (types.MethodType, types.BuiltinMethodType)):
            self._save_stand_in("_MyHash", {"args": _method_parts(obj)})
        else:
            super().save(obj)

    def memoize(self, obj: Any) -> None:
        """Remember an object, unless it is text: equal text is the same text."""
        if not isinstance(obj, (bytes, str)):
            super().memoize(obj)

    def _save_stand_in(self, name: str, attributes: dict[str, Any]) -> None:
        # An instance of a class of joblib's.
        key = _STAND_INS[name]
        if id(key) in self.memo:
            self.write(self.get(self.memo[id(key)][0]))
        else:
            self.write(pickle.GLOBAL + f"joblib.hashing\n{name}\n".encode())
            self.memoize(key)
        self.write(pickle.EMPTY_TUPLE + pickle.NEWOBJ)
        self.memoize(object())
        self.save(attributes)
        self.write(pickle.BUILD)

    def _save_sorted_set(self, elements: set[Any]) -> None:
        self._save_stand_in("_ConsistentSet", {"_sequence": _sorted_set(elements)})

    dispatch[set] = _save_sorted_set
    dispatch[type] = Pickler.save_global

    # CPython 3.14 passes the dict along.
    def _batch_setitems(self, items: Iterable[tuple[Any, Any]], *more: Any) -> None:
        try:
            super()._batch_setitems(iter(sorted(items)), *more)
        except TypeError:
            hashed = sorted((hash(key), value) for key, value in items)
            super()._batch_setitems(iter(hashed), *more)


class NumpyHasher(Hasher):
    """A Hasher that takes the bytes of arrays as they are.

    Parameters
    ----------
    hash_name : str
        A name that :func:`hashlib.new` knows.
    coerce_mmap : bool
        Make no difference between a ``numpy.memmap`` and an array of the same values.
    """

    def __init__(self, hash_name: str = "md5", coerce_mmap: bool = False) -> None:
        import numpy as np

        super().__init__(hash_name)
        self.coerce_mmap = coerce_mmap
        self.np = np

    def save(self, obj: Any) -> None:
        """Write an object; of an array what it looks like, its bytes are hashed now."""
        if isinstance(obj, self.np.dtype):
            self._hash.update(b"_HASHED_DTYPE" + pickle.dumps(obj))
            return
        if isinstance(obj, self.np.ndarray) and not obj.dtype.hasobject:
            self._hash.update(memoryview(_in_one_piece(obj).view(self.np.uint8)))
            is_coerced = self.coerce_mmap and isinstance(obj, self.np.memmap)
            cls = self.np.ndarray if is_coerced else obj.__class__
            obj = (cls, ("HASHED", obj.dtype, obj.shape, obj.strides))
        super().save(obj)


def _method_parts(method: Any) -> tuple[Any, ...]:
    name = getattr(method, "__func__", method).__name__
    owner = method.__self__
    if type(owner) is types.ModuleType:
        return name, owner.__name__
    if owner is None:
        return name, None
    return name, owner, owner.__class__


def _sorted_set(elements: set[Any]) -> list[Any]:
    import decimal

    try:
        return sorted(elements)
    except (TypeError, decimal.InvalidOperation):
        return sorted(hash(element) for element in elements)


def _in_one_piece(array: Any) -> Any:
    # C-contiguous, with a copy only where the array is strided or has no axis.
    if array.shape != () and array.flags.c_contiguous:
        return array
    if array.shape != () and array.flags.f_contiguous:
        return array.T
    return array.flatten()
