"""What all random tests are steered by: a seed, the same unless one is asked for."""

import os

SEED = int(os.environ.get("CJOBLIB_SEED", "20261122"))


def cases(usually: int) -> int:
    """How many random cases a test runs: as many as ``CJOBLIB_CASES`` says, if it does."""
    return int(os.environ.get("CJOBLIB_CASES", usually))
