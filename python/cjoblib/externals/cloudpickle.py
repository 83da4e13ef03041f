"""Another name of the installed `cloudpickle`, whose modules exist once."""

from __future__ import annotations

import importlib
import sys

for _part in ("", ".cloudpickle", ".cloudpickle_fast"):
    try:
        sys.modules[__name__ + _part] = importlib.import_module("cloudpickle" + _part)
    except ModuleNotFoundError:
        if not _part:  # cloudpickle itself; its parts differ between its versions
            raise
