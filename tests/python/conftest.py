"""One way for all random tests: the same cases in each run, unless a seed asks for others."""

import pytest
from hypothesis import is_hypothesis_test, seed, settings
from seeds import SEED

settings.register_profile("cjoblib", deadline=None, database=None, print_blob=True)
settings.load_profile("cjoblib")


def pytest_report_header() -> str:
    return f"CJOBLIB_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        test = getattr(item, "obj", None)
        if is_hypothesis_test(test):
            seed(SEED)(test)
