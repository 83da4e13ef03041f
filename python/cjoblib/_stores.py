"""The kinds of stores by name, and how one is made."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

from cjoblib._fsspec_store import FsspecStoreBackend
from cjoblib._install import is_installed
from cjoblib._native_store import FOLDER, LocalStoreBackend
from cjoblib._store_backends import FileSystemStoreBackend, StoreBackendBase

_STORE_BACKENDS: dict[str, type[StoreBackendBase]] = {
    "local": LocalStoreBackend,
    "cjoblib": LocalStoreBackend,
    "joblib": FileSystemStoreBackend,
    "fsspec": FsspecStoreBackend,
}
"""Stores by the name that ``Memory(backend=...)`` takes; looked up at each use."""

OUR_OPTIONS: dict[type[Any], frozenset[str]] = {
    LocalStoreBackend: frozenset({"durable", "max_bytes"}),
    FileSystemStoreBackend: frozenset(),
    FsspecStoreBackend: frozenset({"storage_options"}),
}


def register_store_backend(backend_name: str, backend: type[Any]) -> None:
    """Let ``Memory(backend=backend_name)`` use a store of your own.

    Parameters
    ----------
    backend_name : str
        The name. A registered one can be replaced, `'local'` too.
    backend : StoreBackendBase subclass
        What makes the store.

    Raises
    ------
    ValueError
        `backend_name` is not a text, or `backend` no such class.
    """
    if not isinstance(backend_name, str):
        raise ValueError(
            f"Store backend name should be a string, '{backend_name}' given."
        )
    if not (isinstance(backend, type) and issubclass(backend, StoreBackendBase)):
        raise ValueError(
            f"Store backend should inherit StoreBackendBase, '{backend}' given."
        )
    _STORE_BACKENDS[backend_name] = backend


def make_store(
    backend: str,
    location: Any,
    verbose: int = 0,
    backend_options: Mapping[str, Any] | None = None,
) -> Any:
    """Return a store of the kind `backend` at `location`; None for no location.

    A store is returned as it is. Of a location that is no path, None with a warning.
    """
    if isinstance(location, StoreBackendBase):
        return location
    if location is None:
        return None
    if isinstance(location, pathlib.PurePath):
        location = str(location)
    if not isinstance(location, str):
        warnings.warn(
            f"Instantiating a backend using a {type(location).__name__} as a location "
            "is not supported by joblib. Returning None instead.",
            UserWarning,
            stacklevel=3,
        )
        return None
    location = os.path.expanduser(location)
    backend = kind_for(backend, location)
    kind = _STORE_BACKENDS.get(backend)
    if kind is None:
        known = ", ".join(sorted(_STORE_BACKENDS))
        raise TypeError(
            f"Unknown location {location} or backend {backend}: "
            f"the backends are {known}"
        )
    store = kind()
    store.configure(location, verbose=verbose, backend_options=backend_options or {})
    return store


def place_in(backend: str, location: str) -> str:
    """The folder that a store makes in a folder that the user names."""
    if "://" in location:
        return f"{location.rstrip('/')}/joblib"
    native = _STORE_BACKENDS.get(backend) is LocalStoreBackend
    return os.path.join(location, FOLDER if native else "joblib")


def kind_for(backend: str, location: Any) -> str:
    """The backend that is meant by the usual one.

    For a URL, that for URLs; and joblib's own layout where cjoblib stands in for joblib,
    so that caches that are there already go on to be used.
    """
    if backend != "local":
        return backend
    if isinstance(location, str) and "://" in location:
        return "fsspec"
    usual = _STORE_BACKENDS.get("local") is LocalStoreBackend
    return "joblib" if usual and is_installed() else backend


def check_options(backend: str, options: Mapping[str, Any]) -> None:
    """Refuse options that one of our own stores does not have.

    Code written for joblib, which passes over them, is let through when cjoblib stands
    in for joblib.

    Raises
    ------
    TypeError
        It names the options.
    """
    kind = _STORE_BACKENDS.get(backend)
    if kind not in OUR_OPTIONS or is_installed():
        return
    unknown = sorted(set(options) - OUR_OPTIONS[kind])
    if unknown:
        raise TypeError(
            f"Memory: the backend {backend!r} has no option {', '.join(unknown)}"
        )
