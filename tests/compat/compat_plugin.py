"""pytest plugin of the compatibility runs.

It writes down what becomes of each test while that happens, so that a crash costs one test;
and leaves out what is excluded.
"""

import fnmatch
import json
import os

import pytest

EXCLUDED = json.loads(os.environ["COMPAT_EXCLUDED"])
NEWS = open(os.environ["COMPAT_NEWS"], "a", buffering=1)
ON_CJOBLIB = os.environ["COMPAT_TARGET"] == "cjoblib"
worst = {}

import joblib  # noqa: E402

if ON_CJOBLIB != (joblib.Parallel.__module__.split(".")[0] == "cjoblib"):
    raise ImportError(f"`import joblib` gives {joblib.Parallel.__module__}")
try:
    from distributed.utils_test import loop, loop_in_thread  # noqa: F401
except ImportError:
    pass


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path, parent):
    if ON_CJOBLIB and "COMPAT_SUITE" in os.environ:
        from stand_in import stand_in_for_all

        stand_in_for_all(module_path.read_bytes())


def pytest_configure(config):
    for name in ("thread_unsafe", "no_cover"):
        config.addinivalue_line("markers", f"{name}: a mark of joblib's")


def tell(what, test):
    NEWS.write(json.dumps([what, test]) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    kept = []
    for item in items:
        is_out = any(fnmatch.fnmatchcase(item.nodeid, rule) for rule in EXCLUDED)
        tell("excluded" if is_out else "collected", item.nodeid)
        if not is_out:
            kept.append(item)
    items[:] = kept


def pytest_runtest_logreport(report):
    known = worst.get(report.nodeid, "passed")
    if report.failed:
        known = "failed"
    elif report.skipped and not hasattr(report, "wasxfail") and known == "passed":
        known = "skipped"
    worst[report.nodeid] = known
    if report.when == "teardown":
        tell(known, report.nodeid)


def pytest_collectreport(report):
    if report.failed:
        tell("failed", report.nodeid or "collection")
