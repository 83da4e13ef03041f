"""What the built files show to others."""

import itertools
import subprocess
from pathlib import Path

import pytest

from cjoblib import _core

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / ".build" / "gcc" / "libcjoblib.so"


def defined(path):
    """The names that a shared object exports, versions dropped."""
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {row[2].split("@")[0] for row in rows if row[1] != "A"}


def test_extension_exports_its_init_function_only():
    names = defined(_core.__file__) - {
        n for n in defined(_core.__file__) if n.startswith("__asan")
    }
    assert names == {"PyInit__core"}


@pytest.fixture
def library():
    if not LIBRARY.exists():
        pytest.skip("no build in .build/gcc: run make c-tests")
    return LIBRARY


def test_library_exports_public_names_only(library):
    names = defined(library)
    assert names
    assert all(name.startswith("cj_") for name in names)


def test_library_exports_what_the_headers_promise(library):
    promised = set()
    for header in (ROOT / "include" / "cjoblib").glob("*.h"):
        words = header.read_text().replace("(", " ( ").split()
        promised |= {
            word.lstrip("*")
            for word, after in itertools.pairwise(words)
            if after == "(" and word.lstrip("*").startswith("cj_")
        }
    types = {name for name in promised if name.rstrip(")").endswith("_function")}
    assert promised - types - defined(library) == set()


@pytest.mark.parametrize(
    "path", [LIBRARY, Path(_core.__file__)], ids=["library", "extension"]
)
def test_hardening(path):
    if not path.exists():
        pytest.skip("no build in .build/gcc: run make c-tests")
    headers = subprocess.run(
        ["readelf", "--wide", "--dynamic", "--segments", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "GNU_RELRO" in headers
    assert "BIND_NOW" in headers or "NOW" in headers
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert "RWE" not in stack
    assert "RPATH" not in headers
    assert "RUNPATH" not in headers
