"""Names that joblib carries with it, and its module of test helpers."""

import importlib
import pickle
import subprocess
import sys

import cloudpickle
import pytest

import cjoblib
from cjoblib import testing
from cjoblib.externals.loky.backend import context, reduction, resource_tracker


@pytest.fixture
def fresh(monkeypatch):
    """What is chosen in a test is forgotten after it."""
    monkeypatch.setattr(context._Chosen, "method", None)
    monkeypatch.setattr(reduction._Chosen, "name", "cloudpickle")


def run(program):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- cloudpickle ---


def test_cloudpickle_is_the_installed_one():
    from cjoblib.externals.cloudpickle.cloudpickle_fast import CloudPickler

    from cjoblib.externals import cloudpickle as ours
    from cjoblib.externals.cloudpickle import cloudpickle as inner

    assert ours is cloudpickle
    assert inner is cloudpickle.cloudpickle
    assert CloudPickler is cloudpickle.CloudPickler


def test_cloudpickle_exists_once_under_joblibs_name():
    run(
        "import cjoblib; cjoblib.install_as_joblib()\n"
        "import joblib.externals.cloudpickle.cloudpickle as inner\n"
        "from joblib.externals.cloudpickle import dumps\n"
        "import cloudpickle, joblib.externals.loky.backend.context as context, cjoblib\n"
        "assert inner is cloudpickle.cloudpickle and dumps is cloudpickle.dumps\n"
        "assert context is cjoblib.externals.loky.backend.context\n"
        "assert cloudpickle.__name__ == cloudpickle.__spec__.name == 'cloudpickle'\n"
    )


# --- objects wrapped for pickle ---


def local_things():
    class Counter:
        """Counts."""

        def __init__(self, start=0):
            self.count = start

        def __call__(self, n):
            self.count += n
            return self.count

    class Plain:
        def __init__(self, **values):
            self.__dict__.update(values)

    return Counter, Plain


def test_wrapped_function_and_object():
    Counter, Plain = local_things()
    offset = 3
    function = cjoblib.wrap_non_picklable_objects(lambda x: x + offset)
    assert function(1) == 4
    assert pickle.loads(pickle.dumps(function))(1) == 4
    counter = cjoblib.wrap_non_picklable_objects(Counter(10))
    assert counter(1) == counter.count == 11
    again = pickle.loads(pickle.dumps(counter))
    assert again(1) == again.count == 12
    assert type(again) is type(counter)
    assert type(pickle.loads(pickle.dumps(again))) is type(counter)
    plain = cjoblib.wrap_non_picklable_objects(Plain(a=1))
    assert plain.a == 1
    assert not callable(plain)
    with pytest.raises(AttributeError):
        plain.b


def test_wrapped_without_the_wrapper():
    Counter, _ = local_things()
    counter = cjoblib.wrap_non_picklable_objects(Counter(1), keep_wrapper=False)
    again = pickle.loads(pickle.dumps(counter))
    assert type(again).__name__ == "Counter"
    assert again(1) == 2


def test_wrapped_class():
    Counter, _ = local_things()
    Wrapped = cjoblib.wrap_non_picklable_objects(Counter)
    assert Wrapped.__name__ == "Counter"
    assert Wrapped.__doc__ == "Counts."
    counter = Wrapped(start=5)
    assert counter.count == 5
    assert pickle.loads(pickle.dumps(counter)).count == 5


def test_both_wrappers_do_the_same():
    from cjoblib import _cloudpickle_wrapper as wrapper

    for wrap in (
        wrapper.wrap_non_picklable_objects,
        wrapper._my_wrap_non_picklable_objects,
    ):
        assert wrap(abs)(-1) == 1


# --- loky's settings ---


def test_contexts(fresh):
    assert context.get_context().get_start_method() == "spawn"
    assert context.get_context("loky").Process is not None
    assert context.get_context("forkserver").get_start_method() == "forkserver"
    with pytest.warns(UserWarning, match="fork"):
        assert context.get_context("fork").get_start_method() == "fork"
    with pytest.raises(ValueError, match="Unknown context 'fast'"):
        context.get_context("fast")


def test_start_method(fresh):
    context.set_start_method("loky")
    assert context.get_start_method() == "loky"
    with pytest.raises(RuntimeError, match="already been set"):
        context.set_start_method("loky")
    with pytest.warns(UserWarning, match="changes get_context"):
        context.set_start_method("forkserver", force=True)
    assert context.get_context().get_start_method() == "forkserver"
    with pytest.raises(ValueError, match="'fast'"):
        context.set_start_method("fast", force=True)
    context.set_start_method(None, force=True)
    assert context.get_context().get_start_method() == "spawn"


def test_pickler(fresh, monkeypatch):
    from cjoblib.externals.loky import set_loky_pickler

    for name in ("pickle", "cloudpickle", None):
        set_loky_pickler(name)
        assert reduction.get_loky_pickler_name() == (name or "cloudpickle")
    monkeypatch.setenv("LOKY_PICKLER", "pickle")
    set_loky_pickler()
    assert reduction.get_loky_pickler_name() == "pickle"
    with pytest.raises(ModuleNotFoundError):
        set_loky_pickler("no_such_module")
    with pytest.raises(AttributeError, match="no Pickler"):
        set_loky_pickler("json")
    with pytest.warns(UserWarning, match="no effect"):
        set_loky_pickler("_pickle")


def test_resource_tracker():
    for kind in ("file", "folder"):
        with pytest.warns(UserWarning, match=f"doesn't track a {kind}: '/x'"):
            resource_tracker.register("/x", kind)
        resource_tracker.unregister("/x", kind)
    with pytest.raises(AttributeError):
        resource_tracker.nothing


@pytest.mark.parametrize(
    "name", ["", ".externals.loky", ".externals.loky.backend.resource_tracker"]
)
def test_importing_starts_nothing(name):
    run(
        f"import cjoblib{name}, multiprocessing as mp\n"
        "from multiprocessing import resource_tracker\n"
        "assert resource_tracker._resource_tracker._fd is None\n"
        "mp.set_start_method('spawn')\n"
        "assert not mp.active_children()\n"
    )


@pytest.mark.parametrize(
    "module", ["cjoblib", "cjoblib.externals.loky", "cjoblib.externals.cloudpickle"]
)
def test_importing_without_multiprocessing(tmp_path, module):
    run(
        "import sys; sys.modules['_multiprocessing'] = None\n"
        f"import {module}, cjoblib\n"
        "call = cjoblib.delayed(abs)(-1)\n"
        "assert cjoblib.Parallel(n_jobs=1)([call]) == [1]\n"
    )


# --- test helpers ---


def test_names_of_pytest():
    assert testing.raises is pytest.raises
    assert testing.SkipTest is pytest.skip.Exception
    assert testing.parametrize("x", [1]).name == "parametrize"
    with pytest.raises(AttributeError, match="nothing"):
        testing.nothing
    importlib.reload(testing)


def test_check_subprocess_call():
    program = "import sys; print('out'); print('err', file=sys.stderr)"
    testing.check_subprocess_call([sys.executable, "-c", program], timeout=60)
    testing.check_subprocess_call(
        [sys.executable, "-c", program],
        timeout=None,
        stdout_regex="^out",
        stderr_regex="r",
    )
    with pytest.raises(ValueError, match="Unexpected stderr: 'never'.*\n.*err"):
        testing.check_subprocess_call(
            [sys.executable, "-c", program], timeout=60, stderr_regex="never"
        )
    with pytest.raises(ValueError, match="Non-zero return code: 3.\nStdout:\nout"):
        testing.check_subprocess_call(
            [sys.executable, "-c", program + "; sys.exit(3)"], timeout=60
        )


def test_check_subprocess_call_ends_what_takes_too_long():
    program = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print('begun', flush=True)\nwhile True: signal.pause()\n"
    )
    with (
        pytest.warns(UserWarning, match="Timeout running") as told,
        pytest.raises(ValueError, match="Non-zero return code: -9.\nStdout:\nbegun"),
    ):
        testing.check_subprocess_call([sys.executable, "-c", program], timeout=3)
    assert len(told) == 2


def test_warnings_to_stdout():
    told = run(
        "import warnings, cjoblib.testing as testing\n"
        "testing.warnings_to_stdout()\n"
        "warnings.warn_explicit('careful', UserWarning, '/a/b/c.py', 7)\n"
    )
    assert told.startswith("c.py:7: UserWarning: careful")
