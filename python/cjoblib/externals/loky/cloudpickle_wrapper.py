"""Objects that the standard library's pickle can't handle, wrapped so that it can."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["wrap_non_picklable_objects"]

_OWN = ("_obj", "_keep_wrapper")


class CloudpickledObjectWrapper:
    """Stands for an object, and pickles as what cloudpickle makes of it.

    Parameters
    ----------
    obj : object
    keep_wrapper : bool, default False
        Whether unpickling gives the wrapped object again, or the object alone.
    """

    def __init__(self, obj: Any, keep_wrapper: bool = False) -> None:
        self._obj = obj
        self._keep_wrapper = keep_wrapper

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        import cloudpickle

        data = cloudpickle.dumps(self._obj)
        if self._keep_wrapper:
            return _load_wrapped, (data,)
        return cloudpickle.loads, (data,)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not set yet: an instance that is being made
            raise AttributeError(name)
        return getattr(self._obj, name)


class CallableObjectWrapper(CloudpickledObjectWrapper):
    """The same for an object that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._obj(*args, **kwargs)


def wrap_non_picklable_objects(obj: Any, keep_wrapper: bool = True) -> Any:
    """Let an object be pickled by cloudpickle wherever it is pickled.

    `Parallel` and the executors of cjoblib need no such help; other users of pickle do.

    Parameters
    ----------
    obj : object
        A function, any other object, or a class, whose instances are then wrapped.
    keep_wrapper : bool, default True
        Whether unpickling gives the wrapped object again, or the object alone.

    Returns
    -------
    object
        With the attributes of `obj`; callable when that is.
    """
    if inspect.isclass(obj):
        return _wrapped_class(obj, keep_wrapper)
    wrapper = CallableObjectWrapper if callable(obj) else CloudpickledObjectWrapper
    return wrapper(obj, keep_wrapper)


def _wrapped_class(wrapped: type, keep_wrapper: bool) -> type:
    class Wrapper(CloudpickledObjectWrapper):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(wrapped(*args, **kwargs), keep_wrapper)

    Wrapper.__name__ = wrapped.__name__
    Wrapper.__qualname__ = wrapped.__qualname__
    Wrapper.__doc__ = wrapped.__doc__
    return Wrapper


def _load_wrapped(data: bytes) -> Any:
    import cloudpickle

    return wrap_non_picklable_objects(cloudpickle.loads(data))
