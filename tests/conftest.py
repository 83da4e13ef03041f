"""One way for all random tests: the same cases in each run, unless a seed asks for others."""

import os

from hypothesis import settings

settings.register_profile(
    "cjoblib",
    deadline=None,
    database=None,
    derandomize="CJOBLIB_SEED" not in os.environ,
    print_blob=True,
)
settings.load_profile("cjoblib")
