"""Disk-cached calls, parallel loops and fast persistence: joblib's API on a C library."""

from cjoblib._core import version as __version__

__all__ = ["__version__"]
