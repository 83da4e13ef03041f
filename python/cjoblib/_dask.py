"""`parallel_config(backend="dask")`: loops whose calls run on a Dask cluster.

    submit ----> coroutine in the client's event loop: big arguments are scattered,
                 the batch is submitted, its outcome is gathered
    callback <--

A batch travels as one pickled object with its arguments, but for those that the cluster
holds already; these travel as futures, which Dask puts the data for.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import importlib
import uuid
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cjoblib import _install
from cjoblib._backend_base import AutoBatchingMixin, ParallelBackendBase
from cjoblib._utils import _CaughtError, _retrieve_traceback_capturing_wrapped_call


def _module(name: str) -> Any:
    """Import a module of Dask's; None where it isn't installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


distributed = _module("distributed")

__all__ = ["DaskDistributedBackend"]

SCATTERED_BYTES = 1000  # arguments above this size travel once for a loop
NO_CLIENT = """\
To use the backend 'dask', create a Dask client first:

    from dask.distributed import Client
    client = Client()
or
    client = Client('scheduler-address:8786')"""


class _Place:
    """Stands in a call for an argument that the cluster holds: the n-th of the batch."""

    def __init__(self, number: int) -> None:
        self.number = number


class Batch:
    """Calls that one task of Dask makes.

    Parameters
    ----------
    calls : list of tuple
        (function, args, kwargs), with a `_Place` for each argument in the cluster.
    """

    def __init__(self, calls: list[tuple[Any, Any, Any]]) -> None:
        self.calls = calls  # at least one

    def __call__(self, *held: Any) -> Any:
        """Return the list of results, or what was raised, with its traceback."""
        from cjoblib import parallel_config

        try:
            with parallel_config(backend="dask"):
                return [_filled(call, held) for call in self.calls]
        except BaseException as error:
            return _CaughtError(error)

    def __repr__(self) -> str:
        name = _module("dask.utils").funcname(self.calls[0][0])
        is_mixed = any(call[0] is not self.calls[0][0] for call in self.calls)
        mixed = "mixed_" if is_mixed else ""
        return f"{mixed}batch_of_{name}_{len(self.calls)}_calls"

    def __reduce__(self) -> tuple[Callable[..., Batch], tuple[bool, bytes]]:
        import cloudpickle

        return _load_batch, (_install.is_installed(), cloudpickle.dumps(self.calls))


def _filled(call: tuple[Any, Any, Any], held: tuple[Any, ...]) -> Any:
    """Make a call with what the cluster holds for it."""

    def value(item: Any) -> Any:
        return held[item.number] if type(item) is _Place else item

    function, args, kwargs = call
    return function(*map(value, args), **{k: value(v) for k, v in kwargs.items()})


def _load_batch(stands_in_for_joblib: bool, data: bytes) -> Batch:
    """Make a batch anew in a worker, where `import joblib` shall give the same as here."""
    import pickle

    if stands_in_for_joblib:
        with contextlib.suppress(RuntimeError):  # joblib itself is in use there
            _install.install_as_joblib()
    return Batch(pickle.loads(data))


def _size(value: object) -> int:
    n_bytes: int = _module("dask.sizeof").sizeof(value)
    return n_bytes


def _probe() -> None:
    """Be the task whose end says that there is a worker."""


class _Held:
    """What of a loop's arguments the cluster holds, by identity, as long as they live."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any], asyncio.Task[Any]]] = {}

    def get(self, value: object) -> asyncio.Task[Any] | None:
        found = self._found.get(id(value))
        return found[1] if found is not None and found[0]() is value else None

    def set(self, value: object, task: asyncio.Task[Any]) -> None:
        key = id(value)
        gone = weakref.ref(value, lambda _: self._found.pop(key, None))
        self._found[key] = gone, task

    def clear(self) -> None:
        self._found.clear()


class DaskDistributedBackend(AutoBatchingMixin, ParallelBackendBase):
    """Runs batches of calls as tasks of a Dask cluster.

    Parameters
    ----------
    scheduler_host : str, optional
        The scheduler's address; default: the client that is current.
    scatter : list or tuple, optional
        Objects that are sent to all workers at once; calls that have one of them as an
        argument refer to it.
    client : distributed.Client, optional
    loop : optional
        The event loop of a client made for `scheduler_host`.
    wait_for_workers_timeout : float, default 10
        Seconds to wait for a first worker when there is none.
    **submit_kwargs
        Given to `Client.submit`, such as `resources` or `priority`.

    Raises
    ------
    ImportError
        Dask's `distributed` isn't installed.
    ValueError
        There is no client.
    TypeError
        `scatter` is no list.
    """

    MIN_IDEAL_BATCH_DURATION = 0.2
    MAX_IDEAL_BATCH_DURATION = 1.0
    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(
        self,
        scheduler_host: str | None = None,
        scatter: Sequence[Any] | None = None,
        client: Any = None,
        loop: Any = None,
        wait_for_workers_timeout: float = 10,
        **submit_kwargs: Any,
    ) -> None:
        super().__init__()
        if scatter is not None and not isinstance(scatter, (list, tuple)):
            raise TypeError(
                f"scatter must be a list/tuple, got `{type(scatter).__name__}`"
            )
        self.client = client or _client(scheduler_host, loop)
        self.wait_for_workers_timeout = wait_for_workers_timeout
        self.submit_kwargs = submit_kwargs
        self._scatter = list(scatter or ())  # kept, so that their ids stay theirs
        futures = self.client.scatter(self._scatter, broadcast=True) if scatter else []
        self.data_futures = {
            id(value): future
            for value, future in zip(self._scatter, futures, strict=True)
        }
        self._held = _Held()
        self._under_way: set[Any] = set()
        self._call = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return DaskDistributedBackend, ()

    def get_nested_backend(self) -> tuple[ParallelBackendBase, int]:
        """Return a backend on the same cluster: loops in calls are its tasks too."""
        return DaskDistributedBackend(client=self.client), -1

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return the number of the cluster's threads, whatever `n_jobs` is.

        Raises
        ------
        TimeoutError
            There is no worker, and none came.
        """
        n_threads = self._n_threads()
        if n_threads == 0 and self.wait_for_workers_timeout:
            # A task, rather than waiting alone: an adaptive cluster grows for it.
            task = self.client.submit(_probe, pure=False)
            try:
                task.result(timeout=self.wait_for_workers_timeout)
            except (TimeoutError, asyncio.TimeoutError) as error:
                longer = max(10, 2 * self.wait_for_workers_timeout)
                raise TimeoutError(
                    f"DaskDistributedBackend has no worker after "
                    f"{self.wait_for_workers_timeout} seconds. Make sure that workers are "
                    "started and can connect to the scheduler, or wait longer: "
                    "parallel_config(backend='dask', "
                    f"wait_for_workers_timeout={longer})"
                ) from error
            n_threads = self._n_threads()
        return n_threads

    def _n_threads(self) -> int:
        return sum(self.client.ncores().values())

    def start_call(self) -> None:
        """Begin a loop; what was held for the last one is let go."""
        self._call += 1
        self._held = _Held()

    def stop_call(self) -> None:
        """End a loop."""
        self._held.clear()

    def submit(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Have a batch run on the cluster."""
        job: concurrent.futures.Future[Any] = concurrent.futures.Future()
        job.get = job.result  # type: ignore[attr-defined]
        self.client.loop.add_callback(self._run, func, callback, job, self._call)
        return job

    async def _run(
        self,
        func: Any,
        callback: Callable[..., Any] | None,
        job: concurrent.futures.Future[Any],
        call: int,
    ) -> None:
        try:
            out = await self._outcome(func, call)
        except (Exception, asyncio.CancelledError) as error:
            if call != self._call or isinstance(error, asyncio.CancelledError):
                job.cancel()
                return
            out = error
        job.set_result(out)
        if callback is not None:
            callback(out)

    async def _outcome(self, func: Any, call: int) -> Any:
        calls, futures = await self._with_places(func.items)
        if call != self._call:
            raise asyncio.CancelledError
        batch = Batch(calls)
        future = self.client.submit(
            batch, *futures, key=f"{batch!r}-{uuid.uuid4().hex}", **self.submit_kwargs
        )
        self._under_way.add(future)
        try:
            return (await self.client.gather([future], asynchronous=True))[0]
        except distributed.CancelledError as error:
            raise asyncio.CancelledError from error
        finally:
            self._under_way.discard(future)

    async def _with_places(self, items: Any) -> tuple[list[Any], list[Any]]:
        """Return the calls with places, and the futures that are to be put there."""
        futures: dict[Any, _Place] = {}

        async def placed(value: object) -> object:
            future = self.data_futures.get(id(value)) or await self._scattered(value)
            if future is None:
                return value
            return futures.setdefault(future, _Place(len(futures)))

        calls = []
        for function, args, kwargs in items:
            new_args = [await placed(value) for value in args]
            new_kwargs = {key: await placed(value) for key, value in kwargs.items()}
            calls.append((function, new_args, new_kwargs))
        return calls, list(futures)

    async def _scattered(self, value: object) -> Any:
        """Return the future of an argument that is worth sending apart; None: it isn't."""
        task = self._held.get(value)
        if task is None:
            if type(value).__weakrefoffset__ == 0 or _size(value) <= SCATTERED_BYTES:
                return None
            sent = self.client.scatter(value, asynchronous=True, hash=False)
            task = asyncio.ensure_future(sent)
            self._held.set(value, task)
        return await task

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return a batch's results, or raise what it raised."""
        return _retrieve_traceback_capturing_wrapped_call(out)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel the tasks that are under way."""
        self._call += 1

        async def cancel() -> None:
            futures = list(self._under_way)
            if futures:
                await self.client.cancel(futures, asynchronous=True)

        self.client.loop.add_callback(cancel)

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Leave a worker's threads to other tasks while this one waits for its own."""
        state = _module("distributed.utils").thread_state
        is_task = hasattr(state, "execution_state")  # this thread is a worker's
        if is_task:
            distributed.secede()
        try:
            yield
        finally:
            if is_task:
                distributed.rejoin()


def _client(scheduler_host: str | None, loop: Any) -> Any:
    if distributed is None:
        raise ImportError("backend='dask' needs distributed: pip install distributed")
    if scheduler_host:
        return distributed.Client(scheduler_host, loop=loop, set_as_default=False)
    try:
        return distributed.get_client()
    except ValueError as error:
        raise ValueError(NO_CLIENT) from error
