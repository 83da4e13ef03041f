"""``cjoblib report``: a trace as one page, or summed up in the terminal."""

import json
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import cjoblib
from cjoblib import _core

PROGRAM = Path(sysconfig.get_path("scripts")) / "cjoblib"
if not PROGRAM.exists():
    pytest.skip("the program is not installed", allow_module_level=True)

HOSTILE = "</script><script>alert(1)</script>\"\\'\u2028é"


def report(*arguments, **options):
    return subprocess.run(
        [PROGRAM, "report", *arguments], capture_output=True, timeout=60, **options
    )


def data_of(page):
    """What stands in the page for its script."""
    (text,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.S
    )
    return json.loads(text)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "run.json"
    with cjoblib.trace(path):
        for i in range(10):
            begin = _core.trace_begin()
            what = {"function": "module/f", "bytes": 100}
            if i % 5:
                with cjoblib.span("load", **what):
                    pass
            else:
                with cjoblib.span("compute", **what):
                    pass
                with cjoblib.span("store", **what):
                    pass
            outcome = "hit" if i % 5 else "miss"
            what |= {
                "outcome": outcome,
                "saved": 0.5 if i % 5 else 0.0,
                "key": "ab" * 16,
            }
            _core.trace_span("call", begin, what)
        with cjoblib.span(HOSTILE):
            pass
    return path


def test_text(trace):
    done = report(trace)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("23 spans, ")
    assert re.fullmatch(r" *10 +8 +0\.000 +4\.000  module/f", lines[-1])


def test_page(trace, tmp_path):
    page = tmp_path / "report.html"
    done = report(trace, "-o", page)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    text = page.read_text()
    assert text == report(trace, "--output=-").stdout.decode()
    assert HOSTILE not in text
    data = data_of(text)
    assert data["events"] == len(data["spans"]) == 23
    assert data["complete"] is True
    assert data["damaged"] == 0
    assert HOSTILE in data["strings"]
    (row,) = data["functions"]
    assert data["strings"][row[0]] == "module/f"
    assert row[1:4] == [10, 8, 2]
    assert row[5:10] == [4.0, 800, 200, 0, 0]
    durations = [span[3] for span in data["spans"]]
    assert durations == sorted(durations, reverse=True)
    # One file: nothing is fetched.
    assert not re.search(r"(src|href)=|https?:|url\(|import\(|fetch\(", text)


def test_many_spans(tmp_path):
    path = tmp_path / "run.json"
    with cjoblib.trace(path):
        for _ in range(50_000):
            _core.trace_span("step", _core.trace_begin())
        with cjoblib.span("all of it"):
            pass
    data = data_of(report(path, "-o", "-").stdout.decode())
    assert data["events"] == data["seen"] == 50_001
    assert len(data["spans"]) == 20_000
    counts = {data["strings"][n[0]]: n[1] for n in data["names"]}
    assert counts == {"step": 50_000, "all of it": 1}


def test_a_trace_that_has_no_end(trace):
    events = [json.dumps(e) for e in json.loads(trace.read_text())]
    text = "[" + ",\n".join(events) + ",\n"
    for cut in (0, 1, 20, 60, len(events[-1])):
        trace.write_text(text[: len(text) - cut] + " " * 1000 + "\n")
        done = report(trace)
        assert done.returncode == 0, cut
        assert "no end" in done.stdout.decode()


def test_other_forms_of_the_format(trace, tmp_path):
    events = json.loads(trace.read_text())
    for form in (
        json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}),
        json.dumps(events),
        json.dumps(events, indent=4),
    ):
        trace.write_text(form)
        done = report(trace)
        assert done.returncode == 0
        assert done.stdout.startswith(b"23 spans, ")


def test_damage(trace):
    text = trace.read_text()
    trace.write_text(text.replace('"dur":', '"dur"', 3))
    done = report(trace)
    assert done.returncode == 1
    assert b"3 events can't be read" in done.stderr
    assert done.stdout.startswith(b"20 spans, ")


@pytest.mark.parametrize(
    "content", ["", "x", "{}", '{"a": 1}', "3", "[[[[", '"', "\0" * 100]
)
def test_what_is_no_trace(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    done = report(path, "-o", tmp_path / "page")
    assert done.returncode in (0, 3)
    assert (done.returncode == 0) == content.startswith("[")
    if done.returncode:
        assert str(path).encode() in done.stderr
        assert not (tmp_path / "page").exists()


def test_bad_paths(trace, tmp_path):
    for arguments, path in (
        ([tmp_path / "none"], tmp_path / "none"),
        ([tmp_path], tmp_path),
        ([trace, "-o", tmp_path / "none/page"], tmp_path / "none/page"),
        ([trace, "-o", tmp_path], tmp_path),
    ):
        done = report(*arguments)
        assert done.returncode == 3
        assert str(path).encode() in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [PROGRAM, "report", trace, "-o", "-"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert done.returncode == 3


@pytest.mark.skipif(
    not shutil.which("chromium"), reason="Debian's chromium is not installed"
)
def test_in_a_browser(trace, tmp_path):
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    assert report(trace, "-o", page).returncode == 0
    browser = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--user-data-dir=u",
    ]
    done = subprocess.run(
        [*browser, "--dump-dom", page.as_uri()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "80 %" in done.stdout
    assert "module/f" in done.stdout
    assert done.stdout.count("<td") > 50
    assert "<script>alert" not in done.stdout
    subprocess.run(
        [*browser, f"--screenshot={picture}", "--window-size=400,900", page.as_uri()],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert picture.stat().st_size > 10_000
