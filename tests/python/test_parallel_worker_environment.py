"""What tasks in worker processes find around them, and what comes back beside results."""

import contextvars
import logging
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest

from cjoblib import Parallel, delayed, parallel_config

WHO = """
import contextvars, logging, warnings
who = contextvars.ContextVar("who", default="nobody")
def look(i):
    logging.getLogger("a.b").info("task %d", i)
    warnings.warn(f"warning {i}", UserWarning, stacklevel=2)
    return who.get()
def complain(i):
    logging.getLogger("a.b").warning("before")
    raise ArithmeticError(i)
"""


@pytest.fixture
def who(tmp_path, monkeypatch):
    """A module of its own, which workers find by the parent's module path."""
    name = f"who_{os.getpid()}_{threading.get_ident()}"
    (tmp_path / f"{name}.py").write_text(WHO)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__(name)
    del sys.modules[name]


def test_context_variables_of_the_caller(who):
    def ask(value):
        who.who.set(value)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Parallel(n_jobs=2)(delayed(who.look)(i) for i in range(4))

    for value in ("me", "you"):
        assert contextvars.copy_context().run(ask, value) == [value] * 4
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Parallel(n_jobs=2)([delayed(who.look)(1)]) == ["nobody"]


@pytest.mark.parametrize("options", [{}, {"return_as": "generator"}])
def test_warnings_reach_the_parent(who, options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        list(Parallel(n_jobs=2, **options)(delayed(who.look)(i) for i in range(5)))
    assert sorted(str(w.message) for w in caught) == [f"warning {i}" for i in range(5)]


def test_warnings_filters_hold_in_workers(who):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="warning 0"):
            Parallel(n_jobs=2)([delayed(who.look)(0)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Parallel(n_jobs=2)([delayed(who.look)(0)]) == ["nobody"]


def test_log_records_reach_the_parents_handlers(who, caplog):
    with caplog.at_level(logging.INFO), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Parallel(n_jobs=2)(delayed(who.look)(i) for i in range(5))
        assert sorted(caplog.messages) == [f"task {i}" for i in range(5)]
        assert {r.name for r in caplog.records} == {"a.b"}
        caplog.clear()
        with pytest.raises(ArithmeticError):
            Parallel(n_jobs=2)([delayed(who.complain)(1)])
        assert caplog.messages == ["before"]
    caplog.clear()
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Parallel(n_jobs=2)(delayed(who.look)(i) for i in range(5))
    assert caplog.messages == []


def test_environment_folder_and_module_path(tmp_path, monkeypatch):
    def around():
        return os.environ.get("CJOBLIB_TEST_VARIABLE"), os.getcwd(), list(sys.path)

    for value in ("one", "two"):
        folder = tmp_path / value
        folder.mkdir()
        monkeypatch.chdir(folder)
        monkeypatch.setenv("CJOBLIB_TEST_VARIABLE", value)
        monkeypatch.syspath_prepend(folder)
        assert (
            Parallel(n_jobs=2)(delayed(around)() for _ in range(3))
            == [(value, str(folder), sys.path)] * 3
        )


def test_limits_of_libraries_threads(monkeypatch):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ENABLE_IPC")
    for name in names:
        monkeypatch.delenv(name, raising=False)

    def limits():
        return [os.environ.get(name) for name in names]

    with parallel_config("loky", n_jobs=2, inner_max_num_threads=3):
        assert Parallel()([delayed(limits)()]) == [["3", "3", "1"]]
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert Parallel(n_jobs=2)([delayed(limits)()])[0][0] == "7"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_initializer_runs_first_in_each_worker(tmp_path):
    def note(folder):
        import builtins

        builtins.noted = folder
        open(os.path.join(folder, str(os.getpid())), "w").close()

    def noted():
        import builtins

        return builtins.noted, os.getpid()

    options = {"n_jobs": 2, "initializer": note, "initargs": (str(tmp_path),)}
    first = Parallel(**options)(delayed(noted)() for _ in range(20))
    second = Parallel(**options)(delayed(noted)() for _ in range(20))
    assert {folder for folder, _ in first + second} == {str(tmp_path)}
    pids = {str(pid) for _, pid in first + second}
    assert pids <= set(os.listdir(tmp_path))
    assert len(os.listdir(tmp_path)) <= 2


def test_a_program_started_by_a_task_is_no_worker():
    program = "import cjoblib, sys; sys.exit(cjoblib.effective_n_jobs(3))"
    done = Parallel(n_jobs=2)(
        delayed(subprocess.call)([sys.executable, "-c", program]) for _ in range(2)
    )
    assert done == [3, 3]


def test_a_script_without_any_of_this_is_left_alone(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            from cjoblib import Parallel, _ambient, delayed
            print(Parallel(n_jobs=2)(delayed(abs)(i) for i in range(3)))
            print(_ambient.around([]))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[0, 1, 2]\nNone\n", "")
