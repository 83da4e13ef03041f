"""How `loky` starts its processes. Ours are started by the C library in one way only, so
what is chosen here matters to those who start processes themselves."""

from __future__ import annotations

from cjoblib.externals.loky.backend.context import get_context

__all__ = ["get_context"]
