"""Executors whose users say how some types are pickled.

A call, or a result, is then pickled here by cloudpickle with those reducers, and the pool
carries the bytes.
"""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

Reducers = Mapping[type, Callable[[Any], Any]]


class Pickled:
    """A result that was pickled with reducers of its own."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def dumps(value: object, reducers: Reducers) -> bytes:
    """Pickle a value; `reducers` win over what its types say themselves."""
    import cloudpickle

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
        dispatch_table: ClassVar[ChainMap[Any, Any]] = ChainMap(
            dict(reducers), cloudpickle.CloudPickler.dispatch_table
        )

    buffer = io.BytesIO()
    Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def run_call(call: bytes, reducers: bytes | None) -> object:
    """Make a pickled call, in the worker."""
    function, args, kwargs = pickle.loads(call)
    result = function(*args, **kwargs)
    if reducers is None:
        return result
    return Pickled(dumps(result, pickle.loads(reducers)))


def result_of(value: object) -> object:
    """Return what a call returned."""
    return pickle.loads(value.data) if isinstance(value, Pickled) else value
