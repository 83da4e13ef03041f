"""Hash of any Python object: the same for the same value, in every process."""

from __future__ import annotations

from typing import Any

from cjoblib._core import UnhashableError, canonical_hash

__all__ = ["UnhashableError", "hash"]


def hash(obj: Any, hash_name: str = "md5", coerce_mmap: bool = False) -> str:
    return canonical_hash(obj, hash_name)
