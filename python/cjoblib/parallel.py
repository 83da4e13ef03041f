"""Parallel loops: ``Parallel(n_jobs=2)(delayed(f)(x) for x in xs)``.

Calls run in worker processes, which are started once and stay for the next loop, or in
threads, or wherever a backend sends them. What a worker can't import (functions of
``__main__``, lambdas, nested functions) travels by value.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from numbers import Integral
from types import TracebackType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from cjoblib import (
    _bar,
    _config,
    _cpu,
    _dispatch,
    _fast_path,
    _multiprocessing_helpers,
    _tasks,
)
from cjoblib._config import (
    VALID_BACKEND_CONSTRAINTS,
    VALID_BACKEND_HINTS,
    _backend,
    default_parallel_config,
    get_active_backend,
    parallel_backend,
    parallel_config,
)
from cjoblib._core import delayed
from cjoblib._dispatch import (
    TASK_DONE,
    TASK_ERROR,
    TASK_PENDING,
    BatchCompletionCallBack,
    BatchedCalls,
    Dispatching,
)
from cjoblib._here import Here
from cjoblib._parallel_backends import (
    AutoBatchingMixin,
    FallbackToBackend,
    LokyBackend,
    MultiprocessingBackend,
    ParallelBackendBase,
    SequentialBackend,
    ThreadingBackend,
)
from cjoblib._progress import Telling
from cjoblib._results import Results
from cjoblib._utils import _Sentinel
from cjoblib.disk import memstr_to_bytes
from cjoblib.logger import Logger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from cjoblib._errors import TerminatedWorkerError

    mp: ModuleType | None

__all__ = [
    "BACKENDS",
    "DEFAULT_BACKEND",
    "DEFAULT_MP_CONTEXT",
    "DEFAULT_PROCESS_BACKEND",
    "DEFAULT_THREAD_BACKEND",
    "EXTERNAL_BACKENDS",
    "MAYBE_AVAILABLE_BACKENDS",
    "TASK_DONE",
    "TASK_ERROR",
    "TASK_PENDING",
    "VALID_BACKEND_CONSTRAINTS",
    "VALID_BACKEND_HINTS",
    "AutoBatchingMixin",
    "BatchCompletionCallBack",
    "BatchedCalls",
    "FallbackToBackend",
    "LokyBackend",
    "MultiprocessingBackend",
    "Parallel",
    "ParallelBackendBase",
    "SequentialBackend",
    "TerminatedWorkerError",
    "ThreadingBackend",
    "_backend",
    "cpu_count",
    "default_parallel_config",
    "delayed",
    "effective_n_jobs",
    "get_active_backend",
    "parallel_backend",
    "parallel_config",
    "register_parallel_backend",
]

P = ParamSpec("P")
R = TypeVar("R")
ReturnAs = TypeVar("ReturnAs")

Call = tuple[Callable[..., R], tuple[Any, ...], dict[str, Any]]
"""What :func:`delayed` makes of a call: the function and its arguments."""

BACKENDS: dict[str, Any] = {
    "threading": ThreadingBackend,
    "sequential": SequentialBackend,
}
DEFAULT_BACKEND = "threading"
DEFAULT_THREAD_BACKEND = "threading"
DEFAULT_PROCESS_BACKEND = "threading"
MAYBE_AVAILABLE_BACKENDS = {"multiprocessing", "loky"}
if _multiprocessing_helpers.processes_are_wanted():
    BACKENDS["multiprocessing"] = MultiprocessingBackend
    BACKENDS["loky"] = LokyBackend
    DEFAULT_BACKEND = "loky"
    DEFAULT_PROCESS_BACKEND = "loky"

EXTERNAL_BACKENDS: dict[str, Callable[[], Any]] = {
    "dask": functools.partial(
        _config.register_external,
        "dask",
        "distributed",
        "cjoblib._dask",
        "DaskDistributedBackend",
    ),
}

DEFAULT_MP_CONTEXT: Any = None
if os.environ.get("JOBLIB_START_METHOD", "").strip():
    import multiprocessing

    DEFAULT_MP_CONTEXT = multiprocessing.get_context(
        os.environ["JOBLIB_START_METHOD"].strip()
    )


def __getattr__(name: str) -> object:
    if name == "mp":  # it takes long to import
        value: object = _multiprocessing_helpers.mp
    elif name == "TerminatedWorkerError":
        from cjoblib import _errors

        value = _errors.TerminatedWorkerError
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def cpu_count(only_physical_cores: bool = False) -> int:
    """How many processors this process may use; see :func:`cjoblib.cpu_count`.

    Parameters
    ----------
    only_physical_cores : bool, default False
        Count processors that share a core once, where nothing else limits this process.

    Returns
    -------
    int
        At least 1; 1 where processes are turned off (``JOBLIB_MULTIPROCESSING=0``).
    """
    if not _multiprocessing_helpers.processes_are_wanted():
        return 1
    return _cpu.cpu_count(only_physical_cores=only_physical_cores)


def register_parallel_backend(
    name: str, factory: Callable[..., Any], make_default: bool = False
) -> None:
    """Give a backend a name, for ``Parallel(backend=name)`` and ``parallel_config``.

    Parameters
    ----------
    name : str
    factory : callable
        Returns a `ParallelBackendBase`; usually its class.
    make_default : bool, default False
        Use it wherever nothing else is asked for.
    """
    BACKENDS[name] = factory
    if make_default:
        global DEFAULT_BACKEND
        DEFAULT_BACKEND = name


def effective_n_jobs(n_jobs: int | None = -1) -> int:
    """How many calls would run at the same time here, for a given ``n_jobs``.

    Parameters
    ----------
    n_jobs : int or None
        -1: one for each processor, -2: one less, and so on; None: what
        :func:`parallel_config` says, otherwise 1.

    Returns
    -------
    int
        At least 1, unless a backend has no workers at all.

    Raises
    ------
    ValueError
        ``n_jobs`` is 0.
    """
    if n_jobs == 1:
        return 1
    backend, active_n_jobs = get_active_backend()
    if n_jobs is None:
        n_jobs = active_n_jobs
    return int(backend.effective_n_jobs(n_jobs=n_jobs))


_GIVEN_AS = ("list", "generator", "generator_unordered")


class Parallel(Here, Telling, Dispatching, Logger, Generic[ReturnAs]):
    """Run calls in parallel and return their results in the calls' order.

    Parameters
    ----------
    n_jobs : int or None, default None
        How many calls run at the same time: -1 one for each processor, -2 one less, and so
        on. With 1 the calls are made right here, one after the other. None: what
        :func:`parallel_config` says, otherwise 1.
    backend : str, ParallelBackendBase or None
        ``"loky"`` (the default: worker processes that stay for later loops),
        ``"multiprocessing"`` (worker processes with no parallel loops inside),
        ``"threading"``, ``"sequential"``, ``"dask"``, ``"ray"``, a name given to
        :func:`register_parallel_backend`, or a backend itself. Libraries should use
        `prefer` and `require` instead, and leave the choice to their users.
    return_as : {"list", "generator", "generator_unordered"}, default "list"
        Generators give results as soon as they are there, in the calls' order or as they
        come. The loop starts at the call. It goes on only as far ahead as `pre_dispatch`
        allows, and ends when the generator is closed or dropped.
    verbose : int, default 0
        How often to print how far the loop is: above 10 always, from 50 on to stdout.
    timeout : float or None
        Seconds to wait for each result.
    pre_dispatch : int, 'all' or str, default '2 * n_jobs'
        How many batches of calls are taken from the iterable ahead of those that are done:
        a number, or arithmetic with ``n_jobs``.
    batch_size : int or 'auto', default 'auto'
        How many calls go to a worker at a time. ``'auto'``: as the time they take suggests.
    temp_folder : str or None
        Where big arrays are kept if there is too little memory: files without a name.
    max_nbytes : int, str or None, default '1M'
        Arrays in arguments that are larger are put into memory that the workers share,
        and arrive there as `numpy.memmap`. None: never.
    mmap_mode : {None, 'r', 'r+', 'w+', 'c'}, default 'r'
        How those arrays arrive: ``'r'`` read-only, ``'c'`` each worker may change its own.
    prefer : {'processes', 'threads'} or None
        Which backend to use if nobody has chosen one.
    require : {'sharedmem'} or None
        Use threads even if somebody has chosen otherwise: calls change common objects.
    progress : bool, 'text' or callable, optional
        True: a bar of tqdm if that is installed, otherwise a line like that of ``'text'``.
        A callable gets how many calls are done, and how many there are or None.
    on_error : {'raise', 'return'}, default 'raise'
        ``'return'``: an exception of a call (or what became of its worker) is its result.
    retries : int, default 0
        How often a call is made again whose worker process died.
    task_timeout : float or None
        Seconds that a call may take; then its worker process alone is stopped.
    seed : int or sequence of int, optional
        Gives each call a random generator of its own, whatever `n_jobs` and batches are:
        :func:`cjoblib.task_rng`, and the keyword `rng` where the function takes it.
    **backend_kwargs
        Given to the backend's `configure`: for processes `initializer` and `initargs`
        (called first in each worker) and `idle_worker_timeout` (seconds).

    Raises
    ------
    ValueError
        If an argument is none of these.

    Notes
    -----
    The first exception of a call ends the loop and is raised here, with the worker's own
    traceback as its ``__cause__``; calls that had not begun are not made. A worker that
    dies ends the loop with :class:`TerminatedWorkerError`. Workers stay for later loops
    and leave when this process ends, however it ends.

    Examples
    --------
    >>> from math import sqrt
    >>> from cjoblib import Parallel, delayed
    >>> Parallel(n_jobs=1)(delayed(sqrt)(i**2) for i in range(4))
    [0.0, 1.0, 2.0, 3.0]
    """

    @overload
    def __init__(
        self: Parallel[Literal["list"]],
        n_jobs: Any = ...,
        backend: Any = ...,
        return_as: Literal["list"] = ...,
        verbose: float = ...,
        timeout: float | None = ...,
        pre_dispatch: int | str = ...,
        batch_size: int | Literal["auto"] = ...,
        **more: Any,
    ) -> None: ...

    @overload
    def __init__(
        self: Parallel[Literal["generator"]],
        n_jobs: Any = ...,
        backend: Any = ...,
        return_as: str = ...,
        verbose: float = ...,
        timeout: float | None = ...,
        pre_dispatch: int | str = ...,
        batch_size: int | Literal["auto"] = ...,
        **more: Any,
    ) -> None: ...

    def __init__(
        self,
        n_jobs: Any = default_parallel_config["n_jobs"],
        backend: Any = default_parallel_config["backend"],
        return_as: str = "list",
        verbose: Any = default_parallel_config["verbose"],
        timeout: float | None = None,
        pre_dispatch: int | str = "2 * n_jobs",
        batch_size: int | str = "auto",
        temp_folder: Any = default_parallel_config["temp_folder"],
        max_nbytes: Any = default_parallel_config["max_nbytes"],
        mmap_mode: Any = default_parallel_config["mmap_mode"],
        prefer: Any = default_parallel_config["prefer"],
        require: Any = default_parallel_config["require"],
        *,
        progress: Any = None,
        on_error: str = "raise",
        retries: int = 0,
        task_timeout: float | None = None,
        seed: Any = None,
        **backend_kwargs: Any,
    ) -> None:
        super().__init__()
        self._set_options(progress, on_error, retries, task_timeout, seed)
        active, config = _config.active_backend(prefer, require, verbose)
        if return_as not in _GIVEN_AS:
            raise ValueError(
                'Expected `return_as` parameter to be a string equal to "list", '
                f'"generator" or "generator_unordered", but got {return_as} instead.'
            )
        self.return_as = return_as
        self.return_generator = return_as != "list"
        self.return_ordered = return_as != "generator_unordered"
        self.verbose = _config.chosen(verbose, config, "verbose")
        self.timeout = timeout
        self.pre_dispatch = pre_dispatch
        self.batch_size = _checked_batch_size(batch_size)
        self._backend_kwargs = {
            **backend_kwargs,
            **_settings(config, max_nbytes, temp_folder, mmap_mode, prefer, require),
            "verbose": max(0, self.verbose - 50),
        }
        if DEFAULT_MP_CONTEXT is not None:
            self._backend_kwargs["context"] = DEFAULT_MP_CONTEXT
        self._backend = self._backend_of(backend, active)
        self.n_jobs = self._n_jobs_of(n_jobs, config)
        if self.n_jobs == 0:
            self._effective_n_jobs()  # raises, unless the backend makes sense of it
        self._check_backend(require)
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._id = f"{os.getpid()}-{id(self)}"

    def _backend_of(self, backend: Any, active: Any) -> Any:
        """Return the backend that was asked for, made if it was named."""
        if backend is None or isinstance(backend, _Sentinel):
            return active
        level = active.nesting_level
        if isinstance(backend, ParallelBackendBase):
            if backend.nesting_level is None:
                backend.nesting_level = level
            return backend
        if hasattr(backend, "Pool") and hasattr(backend, "Lock"):
            # A context of multiprocessing: its start method is of no interest to us.
            self._backend_kwargs["context"] = backend
            return MultiprocessingBackend(nesting_level=level)
        return _config.backend_factory(backend)(nesting_level=level)

    def _n_jobs_of(self, n_jobs: Any, config: dict[str, Any]) -> int:
        if n_jobs is None:
            n_jobs = default_parallel_config["n_jobs"]
        n_jobs = _config.chosen(n_jobs, config, "n_jobs")
        if n_jobs is None:
            n_jobs = self._backend.default_n_jobs
        try:
            return int(n_jobs)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"n_jobs could not be converted to int: {n_jobs!r}"
            ) from None

    def _check_backend(self, require: Any) -> None:
        backend = self._backend
        has_memory = getattr(backend, "supports_sharedmem", False)
        if require == "sharedmem" and not has_memory:
            raise ValueError(f"Backend {backend} does not support shared memory")
        can_generate = (
            isinstance(backend, SequentialBackend) or backend.supports_return_generator
        )
        if self.return_generator and not can_generate:
            raise ValueError(
                f"Backend {backend} does not support return_as={self.return_as}"
            )

    def __enter__(self) -> Parallel[ReturnAs]:
        self._managed_backend = True
        self._calling = False
        self._initialize_backend()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._managed_backend = False
        if self.return_generator and self._calling:
            self._abort()
        self._terminate_and_reset()

    def _initialize_backend(self) -> int:
        """Get the backend ready, or the one that it wants to be used instead."""
        try:
            n_jobs: int = self._backend.configure(
                n_jobs=self.n_jobs, parallel=self, **self._backend_kwargs
            )
        except FallbackToBackend as other:
            self._backend = other.backend
            return self._initialize_backend()
        if self.timeout is not None and not self._backend.supports_timeout:
            self._warn_unused("timeout", self.timeout)
        if self._task_timeout is not None and not _fast_path.has_own_processes(self):
            self._warn_unused("task_timeout", self._task_timeout)
        return n_jobs

    def _effective_n_jobs(self) -> int:
        return int(self._backend.effective_n_jobs(self.n_jobs)) if self._backend else 1

    @overload
    def __call__(
        self: Parallel[Literal["list"]], iterable: Iterable[Call[R]]
    ) -> list[R]: ...

    @overload
    def __call__(
        self: Parallel[Literal["generator"]], iterable: Iterable[Call[R]]
    ) -> Generator[R, None, None]: ...

    def __call__(self, iterable: Iterable[Any]) -> Any:
        """Make every call of an iterable of :func:`delayed` calls.

        Returns
        -------
        list or generator
            The results, as `return_as` says.

        Raises
        ------
        RuntimeError
            If this object is running another loop, or the backend has no workers.
        """
        self._begin()
        try:
            self.n_tasks = (
                len(cast(Any, iterable)) if hasattr(iterable, "__len__") else None
            )
            self._start_time = time.time()
            self._bar = _bar.new(self._progress, repr(self), self.n_tasks)
            if self._seed is not None:
                iterable = _tasks.seeded(iterable, self._seed)
            if self._managed_backend:
                n_jobs = self._effective_n_jobs()
            else:
                n_jobs = self._initialize_backend()
            return self._run(iterable, n_jobs)
        except BaseException:
            self._running = False
            self._close_bar()
            raise

    def _begin(self) -> None:
        with self._lock:
            if self._running:
                more = (
                    " Before submitting new tasks, you must wait for the completion of "
                    "all the previous tasks, or clean all references to the output "
                    "generator."
                )
                raise RuntimeError(
                    "This Parallel instance is already running !"
                    + (more if self.return_generator else "")
                )
            self._running = True
        self.n_dispatched_batches = 0
        self.n_dispatched_tasks = 0
        self.n_completed_tasks = 0
        self._nb_consumed = 0
        self._exception = False
        self._aborting = False
        self._aborted = False

    def _run(self, iterable: Iterable[Any], n_jobs: int) -> Any:
        if n_jobs == 1:
            if self._is_plain_sequence():
                return self._call_each(iterable)
            return self._given(self._get_sequential_output(iterable))
        name = type(self._backend).__name__
        if n_jobs == 0:
            raise RuntimeError(f"{name} has no active worker.")
        self._print(f"Using backend {name} with {n_jobs} concurrent workers.")
        if hasattr(self._backend, "start_call"):
            self._backend.start_call()
        self._calling = True
        run = _fast_path.find(self) or self._through_backend
        try:
            return self._given(run(iterable, n_jobs))
        except BaseException:
            if self._calling:
                self._terminate_and_reset()
            raise

    def _given(self, output: Any) -> Any:
        if isinstance(output, list):
            return output
        next(output)  # it starts here, and has something to clean up from now on
        return Results(output) if self.return_generator else list(output)

    def _is_watched(self) -> bool:
        """Does anybody want to be told after each batch?"""
        is_own = type(self).print_progress is Telling.print_progress
        return (
            bool(self.verbose)
            or not is_own
            or "print_progress" in vars(self)
            or self._bar is not None
            or BatchCompletionCallBack is not _dispatch.BatchCompletionCallBack
        )

    def _initialize_thread(self) -> None:
        """Call what the user wants to be called first in each thread."""
        function = self._backend_kwargs.get("initializer")
        if function is not None:
            function(*(self._backend_kwargs.get("initargs") or ()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_jobs={self.n_jobs})"


def _checked_batch_size(size: Any) -> Any:
    if size == "auto" or (isinstance(size, Integral) and int(size) > 0):
        return size
    raise ValueError(f"batch_size must be 'auto' or a positive integer, got: {size!r}")


def _settings(
    config: dict[str, Any],
    max_nbytes: Any,
    temp_folder: Any,
    mmap_mode: Any,
    prefer: Any,
    require: Any,
) -> dict[str, Any]:
    """Return what backends are told of these, as given or as the context has them."""
    given = {
        "max_nbytes": max_nbytes,
        "temp_folder": temp_folder,
        "mmap_mode": mmap_mode,
        "prefer": prefer,
        "require": require,
    }
    found = {k: _config.chosen(v, config, k) for k, v in given.items()}
    if isinstance(found["max_nbytes"], str):
        found["max_nbytes"] = memstr_to_bytes(found["max_nbytes"])
    return found
