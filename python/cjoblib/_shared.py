"""Arguments of many calls that travel to each worker once."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
from collections import OrderedDict
from typing import Any, TypeVar, cast

from cjoblib import _core

T = TypeVar("T")

MAX_HELD = 8  # objects that a worker keeps, the least recently used go first

_numbers = itertools.count()
_lock = threading.Lock()
_held: OrderedDict[str, Any] = OrderedDict()


def shared(obj: T) -> T:
    """Say that calls in worker processes may share an argument.

    It is encoded once, and decoded once in each worker: the calls there get one and the
    same object. By contract they don't change it; nor does the caller while it is used.

    Parameters
    ----------
    obj : object
        Anything; of use where decoding takes time, such as a big dict.

    Returns
    -------
    object
        To be given to :func:`delayed` calls as an argument, not within another object. The
        calls get the object itself, also in threads and with ``n_jobs=1``.

    Examples
    --------
    >>> from cjoblib import Parallel, delayed, shared
    >>> table = shared({str(i): i for i in range(1000)})
    >>> Parallel(n_jobs=2)(delayed(dict.get)(table, str(i)) for i in range(3))
    [0, 1, 2]
    """
    return cast(T, _core.Shared(obj))


def reduce(value: _core.Shared) -> tuple[Any, ...]:
    """Say how a shared object is pickled: as its bytes, made once, and their name."""
    if value.encoded is None:
        name = f"{os.getpid()}-{next(_numbers)}"
        value.encoded = (name, _core.pickle_dumps(value.object, 5, by_value=True))
    name, data = value.encoded
    return attach, (name, pickle.PickleBuffer(data))


def attach(name: str, data: Any) -> Any:
    """Return the object of this name, decoded if it is not known here yet."""
    with _lock:
        if name in _held:
            _held.move_to_end(name)
            return _held[name]
    value = _core.pickle_loads(data)
    with _lock:
        value = _held.setdefault(name, value)
        _held.move_to_end(name)
        while len(_held) > MAX_HELD:
            _held.popitem(last=False)
    return value
