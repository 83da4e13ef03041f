"""Functions and files that a reader can take in at once."""

import ast
import json
import re
import shutil
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["include", "src", "ext", "python", "tests", "examples", "bench"]
MAX_FILE = 600
MAX_FUNCTION = 60


def files(*suffixes):
    found = [
        p
        for folder in FOLDERS
        for p in (ROOT / folder).rglob("*")
        if p.suffix in suffixes
    ]
    return sorted(p for p in found if "__pycache__" not in p.parts)


def c_functions():
    """(lines, file, name) of each C function, by ctags."""
    if shutil.which("ctags") is None:
        pytest.skip("ctags is not installed")
    listed = subprocess.run(
        ["ctags", "--output-format=json", "--fields=+ne", "--kinds-C=f", "-f", "-",
         *map(str, files(".c", ".h"))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    tags = [json.loads(line) for line in listed.splitlines()]
    return [
        (t["end"] - t["line"] + 1, t["path"], t["name"]) for t in tags if "end" in t
    ]


def python_functions():
    for path in files(".py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node.end_lineno - node.lineno + 1, str(path), node.name


def test_no_file_is_too_long():
    lengths = {
        str(p): p.read_text().count("\n") for p in files(".c", ".h", ".py", ".pyi")
    }
    assert len(lengths) > 20
    assert {p: n for p, n in lengths.items() if n > MAX_FILE} == {}


def test_no_c_function_is_too_long():
    found = c_functions()
    assert len(found) > 100
    assert [f for f in found if f[0] > MAX_FUNCTION] == []


def test_no_python_function_is_too_long():
    assert [f for f in python_functions() if f[0] > MAX_FUNCTION] == []


def test_c_functions_are_short_as_a_rule():
    lengths = sorted(n for n, path, name in c_functions() if "/tests/" not in path)
    assert statistics.median(lengths) <= 16
    assert lengths[int(len(lengths) * 0.9)] <= 42


def test_no_mutable_globals_in_c():
    """File-scope data of the library and the extension is const, or tells CPython of a type."""
    told = re.compile(
        r"PyType_Spec|PyType_Slot|PyMethodDef|PyMemberDef|PyGetSetDef|PyModuleDef"
    )
    for path in files(".c"):
        if not path.is_relative_to(ROOT / "src") and not path.is_relative_to(
            ROOT / "ext"
        ):
            continue
        for line in path.read_text().splitlines():
            if re.match(r"(?! )[\w* ]+[\w*\]]\s*=", line):
                assert "const " in line or told.search(line), f"{path}: {line}"
            assert not re.match(r"(static )?(_Thread_local|__thread)\b", line), (
                f"{path}: {line}"
            )
