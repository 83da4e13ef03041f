"""The executor of the whole program, under the name that joblib has for it.

Big arrays need no help of it: they travel in memory that both processes share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cjoblib.externals.loky.process_executor import Future
from cjoblib.externals.loky.reusable_executor import _ReusablePoolExecutor

__all__ = ["MemmappingExecutor", "get_memmapping_executor"]


class MemmappingExecutor(_ReusablePoolExecutor):
    """What :func:`get_memmapping_executor` returns."""

    @classmethod
    def get_memmapping_executor(
        cls,
        n_jobs: int,
        timeout: float | None = 300,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: dict[str, str] | None = None,
        temp_folder: str | None = None,
        context_id: str | None = None,
        **backend_args: Any,
    ) -> MemmappingExecutor:
        """Return the program's executor; see :func:`get_memmapping_executor`."""
        executor, _ = cls.get_reusable_executor(
            n_jobs, timeout=timeout, initializer=initializer, initargs=initargs, env=env
        )
        if not isinstance(executor, cls):  # made by get_reusable_executor() before
            executor, _ = cls.get_reusable_executor(
                n_jobs,
                timeout=timeout,
                reuse=False,
                initializer=initializer,
                initargs=initargs,
                env=env,
            )
        assert isinstance(executor, cls)
        return executor

    def terminate(self, kill_workers: bool = False) -> None:
        """Do what :meth:`shutdown` does."""
        self.shutdown(kill_workers=kill_workers)


class _TestingMemmappingExecutor(MemmappingExecutor):
    """The same with two methods of a `multiprocessing` pool."""

    def apply_async(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        future: Future[Any] = self.submit(func, *args)
        future.get = future.result  # type: ignore[attr-defined]
        return future

    def map(self, f: Callable[..., Any], *args: Any) -> list[Any]:  # type: ignore[override]
        return list(super().map(f, *args))


def get_memmapping_executor(n_jobs: int, **options: Any) -> MemmappingExecutor:
    """Return the program's executor, made or resized as needed.

    Parameters
    ----------
    n_jobs : int
        Number of workers.
    **options
        `timeout` (300 s), `initializer`, `initargs` and `env` of
        :func:`cjoblib.externals.loky.get_reusable_executor`; others of joblib's, which say
        how it maps files, are accepted.

    Returns
    -------
    MemmappingExecutor
    """
    return MemmappingExecutor.get_memmapping_executor(n_jobs, **options)
