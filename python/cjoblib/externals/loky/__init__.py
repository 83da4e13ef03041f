"""The interface of the package `loky` over cjoblib's worker processes."""

from __future__ import annotations

from cjoblib.externals.loky.backend.context import cpu_count
from cjoblib.externals.loky.backend.reduction import set_loky_pickler
from cjoblib.externals.loky.cloudpickle_wrapper import wrap_non_picklable_objects

__all__ = ["cpu_count", "set_loky_pickler", "wrap_non_picklable_objects"]
