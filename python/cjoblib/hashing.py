"""Hash of any Python object, equal to joblib's for md5 and sha1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cjoblib import _core

if TYPE_CHECKING:
    from cjoblib._hashers import Hasher, NumpyHasher, Pickler

__all__ = ["Hasher", "NumpyHasher", "Pickler", "hash"]

# The digests whose value is joblib's: its pickle stream, made by the C engine.
_JOBLIB_NAMES = ("md5", "sha1")


def hash(obj: Any, hash_name: str = "md5", coerce_mmap: bool = False) -> str:
    """Return the digest of an object's value in hexadecimal digits.

    Parameters
    ----------
    obj : object
        Anything that can be pickled.
    hash_name : {'md5', 'sha1'}
        The digest. Its value is joblib's.
    coerce_mmap : bool
        Make no difference between a ``numpy.memmap`` and an array of the same values.

    Raises
    ------
    ValueError
        No digest is called `hash_name`.
    pickle.PicklingError
        A part of `obj` cannot be pickled; the error's last argument names `obj`.
    TypeError
        Likewise, when the part's own type says so.
    """
    if hash_name in _JOBLIB_NAMES:
        return _core.joblib_hash(obj, hash_name, coerce_mmap)
    # The place of the canonical digests: they do not follow joblib.
    raise ValueError(
        f"Valid options for 'hash_name' are {_JOBLIB_NAMES}. "
        f"Got hash_name={hash_name!r} instead."
    )


def __getattr__(name: str) -> Any:
    # Python's own pickler takes long to import, and only subclassers want it.
    if name in ("Hasher", "NumpyHasher", "Pickler"):
        from cjoblib import _hashers

        return getattr(_hashers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
