"""Traces: spans of the user and of workers, in one file that is JSON at every moment."""

import json
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

import cjoblib
from cjoblib import _core


def events(path):
    """The events of a trace, finished or not, without those that describe it."""
    text = path.read_text()
    if not text.rstrip().endswith("]"):
        text = text.rstrip().rstrip(",") + "]"
    return [e for e in json.loads(text) if e["ph"] != "M" and e["pid"]]


def named(path, name):
    return [e for e in events(path) if e["name"] == name]


def test_spans(tmp_path):
    path = tmp_path / "run.json"
    with cjoblib.trace(path), cjoblib.span("outer", number=3, share=0.5, text="é\n"):
        with cjoblib.span("inner"):
            pass
    (outer,), (inner,) = named(path, "outer"), named(path, "inner")
    assert outer["args"] == {"number": 3, "share": 0.5, "text": "é\n"}
    assert "args" not in inner
    assert outer["ph"] == inner["ph"] == "X"
    assert (outer["pid"], outer["tid"]) == (os.getpid(), threading.get_native_id())
    assert outer["ts"] <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]
    assert json.loads(path.read_text())[0]["name"] == "cjoblib trace"


def test_no_trace_no_cost():
    with cjoblib.span("nothing", odd=object()):
        pass
    assert _core.trace_begin() == 0


def test_traced(tmp_path):
    @cjoblib.traced
    def double(x):
        """Twice."""
        if x < 0:
            raise ValueError(x)
        return 2 * x

    @cjoblib.traced(name="another name")
    def nothing():
        pass

    path = tmp_path / "run.json"
    assert double(1) == 2
    with cjoblib.trace(path):
        assert double(2) == 4
        with pytest.raises(ValueError, match="-1"):
            double(-1)
        nothing()
    assert double.__doc__ == "Twice."
    assert len(named(path, "test_traced.<locals>.double")) == 2
    assert len(named(path, "another name")) == 1


def test_fields(tmp_path):
    path = tmp_path / "run.json"
    many = {f"f{i}": i for i in range(20)}
    with cjoblib.trace(path):
        with cjoblib.span(
            "s", big=2**70, none=None, surrogate="\ud800", long="x" * 1000
        ):
            pass
        with cjoblib.span("many", **many):
            pass
        _core.trace_mark("m", {"nan": float("nan")})
        _core.trace_count("c", -5)
    assert named(path, "s")[0]["args"] == {
        "big": str(2**70),
        "none": "None",
        "surrogate": "?",
        "long": "x" * 200,
    }
    assert named(path, "many")[0]["args"] == {f"f{i}": i for i in range(8)}
    assert named(path, "m")[0]["args"] == {"nan": "nan"}
    assert named(path, "c")[0]["args"] == {"value": -5}


def test_a_field_that_fails(tmp_path):
    class Bad:
        def __str__(self):
            raise ZeroDivisionError

    with cjoblib.trace(tmp_path / "run.json"):
        with pytest.raises(ZeroDivisionError):
            with cjoblib.span("s", bad=Bad()):
                pass


def test_threads(tmp_path):
    path = tmp_path / "run.json"

    def work():
        for _ in range(1000):
            with cjoblib.span("step"):
                pass

    with cjoblib.trace(path):
        threads = [threading.Thread(target=work, name=f"t{i}") for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = named(path, "step")
    assert len(found) == 4000
    rows = {
        e["args"]["name"]
        for e in json.loads(path.read_text())
        if e["name"] == "thread_name"
    }
    assert {"t0", "t1", "t2", "t3"} <= rows


def test_one_after_the_other(tmp_path):
    for name in ("one", "two", "one"):
        with cjoblib.trace(tmp_path / name), cjoblib.span(name):
            pass
    assert len(named(tmp_path / "one", "one")) == 1
    assert len(named(tmp_path / "two", "two")) == 1
    assert "CJOBLIB_TRACE" not in os.environ


def test_one_at_a_time(tmp_path):
    with cjoblib.trace(tmp_path / "a"):
        with pytest.raises(RuntimeError, match="already: .*a$"):
            cjoblib.trace(tmp_path / "b").start()
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("name", ["none/run.json", "."])
def test_a_path_that_cannot_be_written(tmp_path, name):
    with pytest.raises(OSError) as caught:
        cjoblib.trace(tmp_path / name).start()
    assert str(tmp_path) in os.fsdecode(caught.value.filename)
    assert _core.trace_begin() == 0


def child(code, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_other_programs_join(tmp_path):
    path = tmp_path / "run.json"
    code = "import cjoblib\nwith cjoblib.span('child'): pass"
    with cjoblib.trace(path):
        process = child(code)
        assert process.communicate(timeout=60)[1] == ""
    (event,) = named(path, "child")
    assert event["pid"] == process.pid


def test_the_variable(tmp_path):
    path = tmp_path / "run.json"
    process = child(
        "import cjoblib\nwith cjoblib.span('s'): pass", CJOBLIB_TRACE=str(path)
    )
    assert process.communicate(timeout=60)[1] == ""
    assert len(named(path, "s")) == 1
    process = child("import cjoblib", CJOBLIB_TRACE=str(tmp_path / "none/x"))
    assert "nothing is traced" in process.communicate(timeout=60)[1]
    assert process.returncode == 0


def test_a_killed_run_keeps_what_it_noted(tmp_path):
    path = tmp_path / "run.json"
    process = child(
        "import cjoblib, time\n"
        "for i in range(500):\n"
        "    with cjoblib.span('s', i=i): pass\n"
        "print('ready', flush=True); time.sleep(1000)",
        CJOBLIB_TRACE=str(path),
    )
    assert process.stdout.readline() == "ready\n"
    assert len(named(path, "s")) == 500
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert [e["args"]["i"] for e in named(path, "s")] == list(range(500))


def test_a_forked_child_adds_to_it(tmp_path):
    path = tmp_path / "run.json"
    with cjoblib.trace(path):
        with cjoblib.span("parent"):
            pass
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # forking with threads
            pid = os.fork()
        if pid == 0:
            with cjoblib.span("child"):
                pass
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert len(named(path, "parent")) == 1
    (event,) = named(path, "child")
    assert event["pid"] == pid


def test_cached_calls(tmp_path):
    memory = cjoblib.Memory(tmp_path / "cache", verbose=0)

    @memory.cache
    def double(x):
        return x * 2

    double(1)  # its first call looks at the code
    path = tmp_path / "run.json"
    with cjoblib.trace(path):
        assert [double(x) for x in (2, 2, 3)] == [4, 4, 6]
        with pytest.raises(ValueError, match="Too many"):
            double(object, no_such=1)
        with pytest.raises(TypeError):
            double(None)
    calls = named(path, "call")
    assert [e["args"]["outcome"] for e in calls] == ["miss", "hit", "miss", "miss"]
    assert {e["args"]["function"].rpartition("/")[2] for e in calls} == {"double"}
    assert calls[0]["args"]["key"] == calls[1]["args"]["key"] != calls[2]["args"]["key"]
    assert 0 <= calls[1]["args"]["saved"] < 60
    assert len(named(path, "compute")) == len(named(path, "store")) == 2
    (load,) = named(path, "load")
    assert load["args"]["bytes"] > 0
    assert len(named(path, "key")) == 4
    assert calls[1]["ts"] <= load["ts"]
    assert load["ts"] + load["dur"] <= calls[1]["ts"] + calls[1]["dur"]
