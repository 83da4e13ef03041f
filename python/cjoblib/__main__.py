"""`python -m cjoblib SCRIPT`: run a program for which `import joblib` gives cjoblib.

It runs as `python SCRIPT` would: as the module `__main__`, with its own `sys.argv` and
with its folder first in `sys.path`.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import NoReturn

from cjoblib._install import install_as_joblib

USAGE = """\
usage: python -m cjoblib SCRIPT [ARGUMENT ...]
       python -m cjoblib -m MODULE [ARGUMENT ...]
       python -m cjoblib -c CODE [ARGUMENT ...]

Run a Python program for which `import joblib` gives cjoblib."""


def main(arguments: list[str]) -> None:
    """Run what the arguments say; returns when that does."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return
    if arguments[:1] == ["--version"]:
        from cjoblib import __version__

        print(f"cjoblib {__version__}")
        return
    how = arguments.pop(0) if arguments[:1] in (["-m"], ["-c"]) else ""
    if not arguments or (not how and arguments[0].startswith("-")):
        print(USAGE, file=sys.stderr)
        raise SystemExit(2)
    what, *sys.argv[1:] = arguments
    install_as_joblib()
    {"": run_script, "-m": run_module, "-c": run_text}[how](what)


def run_script(path: str) -> None:
    """Run a file, or a folder or archive that has a `__main__.py`."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        _set_path_first(path)
        _run_spec(_spec("__main__", path), path)
        return
    try:
        with io.open_code(os.path.abspath(path)) as file:
            source = file.read()
    except OSError as error:
        _fail(f"can't open {path!r}: {error.strerror}")
    _set_path_first(os.path.dirname(os.path.realpath(path)))
    _run(compile(source, path, "exec"), path, None)


def run_module(name: str) -> None:
    """Run a module, or a package's `__main__`, that can be imported."""
    _set_path_first(os.getcwd())
    spec = _spec(name, name)
    if spec.submodule_search_locations is not None:
        spec = _spec(f"{name}.__main__", name)
    _run_spec(spec, spec.origin or name)


def run_text(text: str) -> None:
    """Run a program that is given as text."""
    _set_path_first("")
    _run(compile(text, "<string>", "exec"), "-c", None)


def _spec(name: str, what: str) -> ModuleSpec:
    try:
        spec = _find(name)
    except ModuleNotFoundError as error:
        _fail(f"can't find {what!r}: {error}")
    if spec is None or spec.loader is None:
        _fail(f"can't find {what!r}, or it can't be run")
    return spec


def _find(name: str) -> ModuleSpec | None:
    if name != "__main__":
        return importlib.util.find_spec(name)
    main = sys.modules.pop(name)  # else it would be found
    try:
        return importlib.util.find_spec(name)
    finally:
        sys.modules[name] = main


def _run_spec(spec: ModuleSpec, path: str) -> None:
    get_code = getattr(spec.loader, "get_code", None)
    code = get_code(spec.name) if get_code else None
    if code is None:
        _fail(f"there is no Python code in {path!r}")
    _run(code, path, spec)


def _run(code: CodeType, path: str, spec: ModuleSpec | None) -> None:
    """Run it in the module `__main__` itself, which stays until the process ends."""
    sys.argv[0] = path
    namespace = sys.modules["__main__"].__dict__
    builtins = namespace["__builtins__"]
    namespace.clear()
    namespace.update(
        __name__="__main__",
        __builtins__=builtins,
        __spec__=spec,
        __loader__=spec.loader if spec else None,
        __package__=spec.parent if spec else None,
        __doc__=None,
        __annotations__={},
    )
    if path != "-c":
        namespace["__file__"] = path
    exec(code, namespace)


def _set_path_first(folder: str) -> None:
    """Put `folder` where the interpreter has put the one of `python -m`, if it has."""
    if not getattr(sys.flags, "safe_path", sys.flags.isolated):
        sys.path[0] = folder


def _fail(text: str) -> NoReturn:
    print(f"python -m cjoblib: {text}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    # A module of its own, for this one becomes the program's.
    from cjoblib import __main__ as program

    program.main(sys.argv[1:])
