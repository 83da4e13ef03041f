"""`import joblib` gives cjoblib; each case in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

CASES = {
    "modules are the same": """
        import joblib, joblib.disk, joblib.func_inspect
        from joblib.logger import Logger
        from joblib import _utils
        import cjoblib.logger, cjoblib._utils
        assert joblib.disk is cjoblib.disk
        assert joblib.func_inspect is cjoblib.func_inspect
        assert Logger is cjoblib.logger.Logger and _utils is cjoblib._utils
        names = [n for n in sys.modules if n.startswith("joblib.")]
        assert len(names) == 4
        assert all(sys.modules["c" + n] is sys.modules[n] for n in names)
    """,
    "modules stay who they are": """
        import joblib.disk, importlib
        assert joblib.disk.__name__ == joblib.disk.__spec__.name == "cjoblib.disk"
        assert importlib.reload(joblib.disk) is cjoblib.disk
        assert sys.modules["joblib.disk"] is cjoblib.disk
    """,
    "either name may come first": """
        import cjoblib.backports
        import joblib.backports, joblib.logger
        import cjoblib.logger
        assert joblib.backports is cjoblib.backports and joblib.logger is cjoblib.logger
    """,
    "nothing is imported before it is needed": """
        assert not [n for n in sys.modules if n.startswith(("joblib.", "numpy"))]
        assert "cjoblib.logger" not in sys.modules
        import joblib
        assert "cjoblib.logger" not in sys.modules
    """,
    "packages too": """
        import types
        for name in ("cjoblib.outer", "cjoblib.outer.inner"):
            sys.modules[name] = types.ModuleType(name)
        sys.modules["cjoblib.outer"].__path__ = []
        import joblib.outer.inner
        assert joblib.outer.inner is sys.modules["cjoblib.outer.inner"]
        assert joblib.outer is sys.modules["cjoblib.outer"]
    """,
    "names that are not there": """
        import importlib
        for name in ("joblib.nothing", "joblib.nothing.more", "joblib.disk.more"):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                assert "No module named 'joblib." in str(error), error
            else:
                raise AssertionError(name)
        try:
            from joblib import nothing
        except ImportError as error:
            assert "cannot import name 'nothing' from 'joblib'" in str(error), error
        import joblib
        assert not hasattr(joblib, "nothing")
    """,
    "names of the package": """
        import joblib, importlib.util
        cjoblib.anything = object()
        assert joblib.anything is cjoblib.anything
        assert "anything" in dir(joblib)
        from joblib import *
        assert importlib.util.find_spec("joblib").name == joblib.__name__ == "joblib"
    """,
    "two versions": """
        import joblib
        assert joblib.__version__ == "1.6.0" != cjoblib.__version__
    """,
    "again": """
        import joblib
        finders = len(sys.meta_path)
        install.install_as_joblib()
        assert install.is_installed()
        assert sys.modules["joblib"] is joblib and len(sys.meta_path) == finders
    """,
    "other finders come next": """
        import importlib.machinery, types
        class Finder:
            @staticmethod
            def find_spec(name, path=None, target=None):
                if name == "joblib.test":
                    return importlib.machinery.ModuleSpec(name, None, is_package=True)
        sys.meta_path.insert(1, Finder)
        import joblib.test
    """,
}
START = """
import sys
import cjoblib
from cjoblib import _install as install
assert not install.is_installed()
install.install_as_joblib()
assert install.is_installed()
"""


def run(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("case", CASES)
def test_installed(case: str) -> None:
    lines = [line.removeprefix(" " * 8) for line in CASES[case].splitlines()]
    run(START + "\n".join(lines))


@pytest.mark.parametrize("first", ["import joblib", "import joblib.disk"])
def test_real_joblib_must_not_be_there_yet(first: str) -> None:
    run(f"""
{first}
import sys, cjoblib
from cjoblib._install import install_as_joblib, is_installed
try:
    install_as_joblib()
except RuntimeError as error:
    assert "joblib has been imported already" in str(error)
else:
    raise AssertionError
assert not is_installed() and sys.modules["joblib"] is joblib
""")
