"""The future that `loky`'s executors return."""

from __future__ import annotations

from cjoblib.externals.loky.process_executor import Future

__all__ = ["Future"]
