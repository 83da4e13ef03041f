"""How many processors: limits of the kernel, of the environment, and joblib beside us."""

import os
import subprocess
import sys
import warnings

import pytest

import cjoblib
from cjoblib import _core, _cpu

VARIABLES = ("CJOBLIB_MAX_CPU_COUNT", "LOKY_MAX_CPU_COUNT")


@pytest.fixture(autouse=True)
def unlimited(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    _cpu._physical_cores.cache_clear()
    yield
    _cpu._physical_cores.cache_clear()


@pytest.fixture
def system(monkeypatch):
    """Lets the kernel say something else; returns the function that sets what."""

    def say(n_online, n_affinity, n_quota, n_cores):
        def count_cores(root=None):
            if n_cores is None:
                raise OSError(61, "No data available")
            return n_cores

        monkeypatch.setattr(os, "cpu_count", lambda: n_online)
        monkeypatch.setattr(_core, "cpu_look", lambda: (n_online, n_affinity, n_quota))
        monkeypatch.setattr(_core, "cpu_count_cores", count_cores)

    return say


@pytest.mark.parametrize("physical", [False, True])
@pytest.mark.parametrize("asked", [None, "1", "2", "1000", "0", "-3"])
def test_as_joblib_here(monkeypatch, physical, asked):
    joblib = pytest.importorskip("joblib")
    if asked is not None:
        monkeypatch.setenv("LOKY_MAX_CPU_COUNT", asked)
    assert cjoblib.cpu_count(physical) == joblib.cpu_count(physical)
    assert cjoblib.cpu_count(only_physical_cores=physical) >= 1


@pytest.mark.parametrize(
    ("n_online", "n_affinity", "n_quota", "asked", "logical", "physical"),
    [
        (8, 8, 0, {}, 8, 4),
        (8, 3, 0, {}, 3, 3),
        (8, 8, 5, {}, 5, 5),
        (8, 8, 20, {}, 8, 4),
        (8, 6, 5, {"LOKY_MAX_CPU_COUNT": "2"}, 2, 2),
        (8, 8, 0, {"CJOBLIB_MAX_CPU_COUNT": "6", "LOKY_MAX_CPU_COUNT": "7"}, 6, 6),
        (8, 8, 0, {"LOKY_MAX_CPU_COUNT": "8"}, 8, 4),
        (8, 8, 0, {"LOKY_MAX_CPU_COUNT": "0"}, 1, None),
        (None, 1, 0, {}, 1, None),
    ],
)
def test_the_least_counts(
    system, monkeypatch, n_online, n_affinity, n_quota, asked, logical, physical
):
    system(n_online, n_affinity, n_quota, 4)
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    assert cjoblib.cpu_count() == logical
    if physical is not None:
        assert cjoblib.cpu_count(only_physical_cores=True) == physical


def test_unknown_cores_are_told_once(system):
    system(8, 8, 0, None)
    with pytest.warns(UserWarning, match="physical cores.*\n.*No data") as told:
        assert cjoblib.cpu_count(only_physical_cores=True) == 8
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cjoblib.cpu_count(only_physical_cores=True) == 8


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_that_is_no_number(monkeypatch, name):
    monkeypatch.setenv(name, "two")
    with pytest.raises(ValueError, match=f"{name}='two'"):
        cjoblib.cpu_count()


def test_affinity_of_a_child():
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, [{one}])\n"
        "import cjoblib; print(cjoblib.cpu_count(), cjoblib.cpu_count(True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1"]


def test_another_root(tmp_path):
    quota = tmp_path / "sys" / "fs" / "cgroup"
    quota.mkdir(parents=True)
    (quota / "cpu.max").write_text("250000 100000\n")
    assert _core.cpu_look(tmp_path)[2] == 3
    with pytest.raises(OSError, match="nowhere"):
        _core.cpu_look(str(tmp_path / "nowhere"))
    with pytest.raises(OSError, match=str(tmp_path)):
        _core.cpu_count_cores(tmp_path)


def test_no_process_is_started(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a subprocess")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "posix_spawn", refuse)
    assert cjoblib.cpu_count(only_physical_cores=True) >= 1
