"""Small things that joblib offers under this name and others import from it."""

from __future__ import annotations

import re
from functools import total_ordering
from os import replace as concurrency_safe_rename
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LooseVersion", "concurrency_safe_rename", "make_memmap"]


@total_ordering
class LooseVersion:
    """A version that compares by its numbers and words, such as `1.10.0rc1`.

    It compares with texts too. A word sorts before a number in the same place.

    Parameters
    ----------
    vstring : str
        The version.
    """

    def __init__(self, vstring: str = "") -> None:
        self.parse(vstring)

    def parse(self, vstring: str) -> None:
        """Take the version from `vstring`."""
        self.vstring = vstring
        parts = re.findall(r"[0-9]+|[a-z]+|[^0-9a-z.]+", vstring)
        self.version: list[int | str] = [int(p) if p.isdigit() else p for p in parts]

    def _key(self) -> list[tuple[bool, int | str]]:
        return [(isinstance(part, int), part) for part in self.version]

    def __str__(self) -> str:
        return self.vstring

    def __repr__(self) -> str:
        return f"LooseVersion ('{self.vstring}')"

    def __hash__(self) -> int:
        return hash(tuple(self.version))

    def __eq__(self, other: object) -> bool:
        found = _as_version(other)
        return NotImplemented if found is None else self.version == found.version

    def __lt__(self, other: object) -> bool:
        found = _as_version(other)
        return NotImplemented if found is None else self._key() < found._key()


def _as_version(value: object) -> LooseVersion | None:
    if isinstance(value, str):
        return LooseVersion(value)
    return value if isinstance(value, LooseVersion) else None


def make_memmap(
    filename: str,
    dtype: Any = "uint8",
    mode: Literal["r", "c", "r+", "w+"] = "r+",
    offset: int = 0,
    shape: int | tuple[int, ...] | None = None,
    order: Literal["C", "F"] = "C",
) -> np.memmap[Any, Any]:
    """Return `numpy.memmap` of the same arguments.

    Raises
    ------
    ImportError
        Without NumPy.
    """
    import numpy as np

    return np.memmap(
        filename, dtype=dtype, mode=mode, offset=offset, shape=shape, order=order
    )
