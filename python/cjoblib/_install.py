"""Answer to `import joblib`, so that code written for joblib runs on cjoblib unchanged.

`joblib` becomes a thin module of its own, because it has its own `__version__`: that of
the joblib whose behaviour cjoblib follows. Everything else in it is looked up in
`cjoblib`, and its submodules are the very modules of `cjoblib`:

    joblib            a _Joblib; joblib.x -> getattr(cjoblib, "x")
    joblib.x.y        sys.modules["joblib.x.y"] is sys.modules["cjoblib.x.y"]
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

FOLLOWED = "1.6.0"  # the joblib whose behaviour this is
THEIRS = "joblib"
OURS = __name__.partition(".")[0]


def install_as_joblib() -> None:
    """Let `import joblib` and `import joblib.x` give cjoblib in this process.

    A second call does nothing. Worker processes of `cjoblib` follow by themselves.

    Raises
    ------
    RuntimeError
        If the real joblib has been imported before: some modules would hold on to it.
    """
    if is_installed():
        return
    imported = sorted(name for name in sys.modules if _is_theirs(name))
    if imported:
        raise RuntimeError(
            f"joblib has been imported already ({imported[0]}): call "
            "install_as_joblib() first, before anything that imports joblib"
        )
    # Programs reach it as an attribute, since joblib has imported it.
    with contextlib.suppress(ImportError):
        import multiprocessing.util  # noqa: F401
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    sys.modules[THEIRS] = _Joblib()


def is_installed() -> bool:
    """Return whether `import joblib` gives cjoblib in this process."""
    return isinstance(sys.modules.get(THEIRS), _Joblib)


def _is_theirs(name: str) -> bool:
    """Return whether a module that has been imported is the real joblib's."""
    package, _, rest = name.partition(".")
    if package != THEIRS:
        return False
    ours = sys.modules.get(f"{OURS}.{rest}") if rest else None
    return ours is None or sys.modules[name] is not ours


class _Joblib(ModuleType):
    """The module `joblib`."""

    __version__ = FOLLOWED

    def __init__(self) -> None:
        super().__init__(THEIRS, doc=importlib.import_module(OURS).__doc__)
        self.__path__: list[str] = []  # a package; its submodules come from _Finder
        self.__package__ = THEIRS
        self.__spec__ = ModuleSpec(THEIRS, loader=None, is_package=True)

    def __getattr__(self, name: str) -> object:
        try:
            found: object = getattr(sys.modules[OURS], name)
        except AttributeError:
            text = f"module {THEIRS!r} has no attribute {name!r}"
            raise AttributeError(text, name=name, obj=self) from None
        return found

    def __dir__(self) -> list[str]:
        return dir(sys.modules[OURS])


class _Finder:
    """Finds `joblib.x` where there is a `cjoblib.x`; leaves other names to the rest."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        package, _, rest = fullname.partition(".")
        if package != THEIRS or not rest:
            return None
        ours = f"{OURS}.{rest}"
        try:
            if ours not in sys.modules and importlib.util.find_spec(ours) is None:
                return None
        except ModuleNotFoundError:  # a parent of it is not ours
            return None
        # Deriving from importlib.abc.Loader would import much for nothing.
        return ModuleSpec(fullname, _Loader(ours))  # type: ignore[arg-type]


class _Loader:
    """Loads a module by importing it under its own name."""

    def __init__(self, ours: str) -> None:
        self._ours = ours
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._ours)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has just put joblib.x's there
