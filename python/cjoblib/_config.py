"""Which backend a `Parallel` uses, and its other settings, when it is not told.

Settings are kept for each thread. `BACKENDS`, `DEFAULT_BACKEND` and what else may be
replaced lives in `cjoblib.parallel`, and is looked up there at each use.
"""

from __future__ import annotations

import sys
import threading
import warnings
from types import ModuleType, TracebackType
from typing import Any

from cjoblib import _spawn
from cjoblib._utils import _Sentinel

VALID_BACKEND_HINTS = ("processes", "threads", None)
VALID_BACKEND_CONSTRAINTS = ("sharedmem", None)

# For each setting what stands for "not given"; it knows the value that is used then.
default_parallel_config: dict[str, Any] = {
    "backend": _Sentinel(default_value=None),
    "n_jobs": _Sentinel(default_value=None),
    "verbose": _Sentinel(default_value=0),
    "temp_folder": _Sentinel(default_value=None),
    "max_nbytes": _Sentinel(default_value="1M"),
    "mmap_mode": _Sentinel(default_value="r"),
    "prefer": _Sentinel(default_value=None),
    "require": _Sentinel(default_value=None),
}

_backend = threading.local()  # .config: the settings of this thread


def _names() -> ModuleType:
    """The module whose names may be replaced."""
    from cjoblib import parallel

    return parallel


def current_config() -> dict[str, Any]:
    """Return the settings of this thread."""
    config: dict[str, Any] | None = getattr(_backend, "config", None)
    if config is not None:
        return config
    if (
        _spawn.role().depth > 0
        and threading.current_thread() is threading.main_thread()
    ):
        return _config_in_worker()
    return default_parallel_config


def _config_in_worker() -> dict[str, Any]:
    """What a task in a worker finds: threads for the first loop inside, then nothing."""
    from cjoblib._parallel_backends import SequentialBackend, ThreadingBackend

    level = _spawn.role().level + 1
    kind = ThreadingBackend if level == 1 else SequentialBackend
    _backend.config = {
        **default_parallel_config,
        "backend": kind(nesting_level=level),
        "n_jobs": None,
    }
    config: dict[str, Any] = _backend.config
    return config


def use_nested(backend: Any) -> None:
    """Let loops in this thread, which makes calls for `backend`, be nested ones."""
    inner = backend.get_nested_backend()
    backend, n_jobs = inner if isinstance(inner, tuple) else (inner, None)
    _backend.config = {
        **default_parallel_config,
        "backend": backend,
        "n_jobs": n_jobs,
    }


def chosen(param: Any, config: dict[str, Any], key: str) -> Any:
    """Return the value of a setting: the one given, else the context's, else the default."""
    if param is not default_parallel_config[key]:
        return param
    if config[key] is not default_parallel_config[key]:
        return config[key]
    return param.default_value


def get_active_backend(
    prefer: Any = default_parallel_config["prefer"],
    require: Any = default_parallel_config["require"],
    verbose: Any = default_parallel_config["verbose"],
) -> tuple[Any, int | None]:
    """Return the backend that a loop would use here, and its n_jobs.

    Parameters
    ----------
    prefer : {'processes', 'threads'} or None
        What the loop would rather have, if nothing was chosen.
    require : {'sharedmem'} or None
        What it must have.
    verbose : int
        From 10 on, say when the chosen backend can't be used.

    Returns
    -------
    backend : ParallelBackendBase
    n_jobs : int or None
    """
    backend, config = active_backend(prefer, require, verbose)
    return backend, chosen(default_parallel_config["n_jobs"], config, "n_jobs")


def _check_hints(prefer: Any, require: Any) -> None:
    if prefer not in VALID_BACKEND_HINTS:
        raise ValueError(
            f"prefer={prefer} is not a valid backend hint, "
            f"expected one of {VALID_BACKEND_HINTS}"
        )
    if require not in VALID_BACKEND_CONSTRAINTS:
        raise ValueError(
            f"require={require} is not a valid backend constraint, "
            f"expected one of {VALID_BACKEND_CONSTRAINTS}"
        )
    if prefer == "processes" and require == "sharedmem":
        raise ValueError(
            "prefer == 'processes' and require == 'sharedmem' are inconsistent settings"
        )


def active_backend(
    prefer: Any, require: Any, verbose: Any
) -> tuple[Any, dict[str, Any]]:
    """Return the backend that a loop would use here, and the settings with it."""
    names = _names()
    config = current_config()
    prefer = chosen(prefer, config, "prefer")
    require = chosen(require, config, "require")
    _check_hints(prefer, require)
    backend = chosen(default_parallel_config["backend"], config, "backend")
    is_explicit = backend is not None
    if not is_explicit:
        backend = names.BACKENDS[names.DEFAULT_BACKEND](nesting_level=0)
    has_threads = getattr(backend, "uses_threads", False)
    lacks_memory = require == "sharedmem" and not getattr(
        backend, "supports_sharedmem", False
    )
    if lacks_memory or (prefer == "threads" and not is_explicit and not has_threads):
        threads = names.BACKENDS[names.DEFAULT_THREAD_BACKEND](
            nesting_level=backend.nesting_level
        )
        if is_explicit and chosen(verbose, config, "verbose") >= 10:
            print(
                f"Using {type(threads).__name__} as joblib backend instead of "
                f"{type(backend).__name__} as the latter does not provide shared "
                "memory semantics."
            )
        return threads, {**config, "n_jobs": 1}
    if prefer == "processes" and not is_explicit and has_threads:
        processes = names.BACKENDS[names.DEFAULT_PROCESS_BACKEND]
        return processes(nesting_level=backend.nesting_level), dict(config)
    return backend, config


def warn_not_available(backend: str) -> None:
    """Say that the default is used instead, and let it be so from now on."""
    names = _names()
    warnings.warn(
        f"joblib backend '{backend}' is not available on your system, falling back "
        f"to {names.DEFAULT_BACKEND}.",
        UserWarning,
        stacklevel=4,
    )
    names.BACKENDS[backend] = names.BACKENDS[names.DEFAULT_BACKEND]


def backend_factory(backend: Any) -> Any:
    """Return what makes a backend of this name.

    Raises
    ------
    ValueError
        If there is none.
    """
    names = _names()
    if backend not in names.BACKENDS:
        if backend in names.EXTERNAL_BACKENDS:
            names.EXTERNAL_BACKENDS[backend]()
        elif backend in names.MAYBE_AVAILABLE_BACKENDS:
            warn_not_available(backend)
        else:
            raise ValueError(
                f"Invalid backend: {backend}, expected one of {sorted(names.BACKENDS)}"
            )
    return names.BACKENDS[backend]


class parallel_config:
    """Settings for every `Parallel` in a `with` block, or from now on in this thread.

    Parameters
    ----------
    backend : str or ParallelBackendBase
        The name of a backend (`"loky"`, `"threading"`, `"multiprocessing"`, `"sequential"`,
        `"dask"`, `"ray"` or one given to :func:`register_parallel_backend`), or one itself.
    n_jobs : int or None
        How many calls run at the same time; None: as if nothing had been said.
    verbose, temp_folder, max_nbytes, mmap_mode, prefer, require
        As those of :class:`Parallel`.
    inner_max_num_threads : int or None
        Threads that numeric libraries may use in each worker process.
    **backend_params
        Given to the backend's constructor, if it is named.

    Raises
    ------
    ValueError
        If there is no such backend, or `backend_params` are given without a name.
    AssertionError
        If the backend can't limit the libraries' threads.

    Examples
    --------
    >>> from operator import neg
    >>> from cjoblib import Parallel, delayed, parallel_config
    >>> with parallel_config(backend="threading", n_jobs=2):
    ...     Parallel()(delayed(neg)(i + 1) for i in range(5))
    [-1, -2, -3, -4, -5]
    """

    def __init__(
        self,
        backend: Any = default_parallel_config["backend"],
        *,
        n_jobs: Any = default_parallel_config["n_jobs"],
        verbose: Any = default_parallel_config["verbose"],
        temp_folder: Any = default_parallel_config["temp_folder"],
        max_nbytes: Any = default_parallel_config["max_nbytes"],
        mmap_mode: Any = default_parallel_config["mmap_mode"],
        prefer: Any = default_parallel_config["prefer"],
        require: Any = default_parallel_config["require"],
        inner_max_num_threads: int | None = None,
        **backend_params: Any,
    ) -> None:
        self.old_parallel_config = current_config()
        self._is_set = hasattr(_backend, "config")
        backend = self._backend_of(backend, inner_max_num_threads, backend_params)
        given = {
            "n_jobs": n_jobs,
            "verbose": verbose,
            "temp_folder": temp_folder,
            "max_nbytes": max_nbytes,
            "mmap_mode": mmap_mode,
            "prefer": prefer,
            "require": require,
            "backend": backend,
        }
        self.parallel_config = {
            **self.old_parallel_config,
            **{k: v for k, v in given.items() if not isinstance(v, _Sentinel)},
        }
        _backend.config = self.parallel_config

    def _backend_of(
        self, backend: Any, n_threads: int | None, params: dict[str, Any]
    ) -> Any:
        """Return the backend that was asked for, made if it was named."""
        if backend is default_parallel_config["backend"]:
            if n_threads is not None or params:
                raise ValueError(
                    "inner_max_num_threads and other constructor parameters "
                    "backend_params are only supported when backend is not None."
                )
            return backend
        if isinstance(backend, str):
            backend = backend_factory(backend)(**params)
        elif params:
            raise ValueError(
                "Constructor parameters backend_params are only supported when "
                "backend is a string."
            )
        if n_threads is not None:
            if not backend.supports_inner_max_num_threads:
                raise AssertionError(
                    f"{type(backend).__name__} does not accept setting the "
                    "inner_max_num_threads argument."
                )
            backend.inner_max_num_threads = n_threads
        if getattr(backend, "nesting_level", 0) is None:
            outer = self.old_parallel_config["backend"]
            is_top = outer is None or outer is default_parallel_config["backend"]
            backend.nesting_level = 0 if is_top else outer.nesting_level
        return backend

    def __enter__(self) -> Any:
        return self.parallel_config

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.unregister()

    def unregister(self) -> None:
        """Go back to the settings of before."""
        if self._is_set:
            _backend.config = self.old_parallel_config
        elif hasattr(_backend, "config"):
            del _backend.config


class parallel_backend(parallel_config):
    """Choose the backend for every `Parallel` in a `with` block, or from now on.

    :class:`parallel_config` does more; here `n_jobs` is -1 unless it is given.

    Parameters
    ----------
    backend : str or ParallelBackendBase
        The name of a backend, or one itself.
    n_jobs : int or None
        How many calls run at the same time; -1: one for each processor.
    inner_max_num_threads : int or None
        Threads that numeric libraries may use in each worker process.
    **backend_params
        Given to the backend's constructor, if it is named.
    """

    def __init__(
        self,
        backend: Any,
        n_jobs: int | None = -1,
        inner_max_num_threads: int | None = None,
        **backend_params: Any,
    ) -> None:
        super().__init__(
            backend=backend,
            n_jobs=n_jobs,
            inner_max_num_threads=inner_max_num_threads,
            **backend_params,
        )
        self.old_backend_and_jobs = (
            self.old_parallel_config["backend"],
            self.old_parallel_config["n_jobs"],
        )
        self.new_backend_and_jobs = (
            self.parallel_config["backend"],
            self.parallel_config["n_jobs"],
        )

    def __enter__(self) -> Any:
        return self.new_backend_and_jobs


def register_external(backend: str, package: str, module: str, name: str) -> None:
    """Put a backend of ours for an engine of others into `BACKENDS`.

    Raises
    ------
    ImportError
        If the engine isn't installed.
    """
    import importlib

    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"backend={backend!r} needs {package}: pip install {package}"
        ) from error
    _names().BACKENDS[backend] = getattr(found, name)


def is_finalizing() -> bool:
    """Return whether the interpreter is on its way out."""
    return sys.is_finalizing()
