"""Stand-ins where joblib's suite imports a private name that we don't have, so that this fails
the tests that use it and no others."""

import ast
import importlib
import sys
import types


class Missing:
    """Stands for a name that isn't there; fails when it is used."""

    def __init__(self, name):
        self.__dict__["_name"] = name

    def __call__(self, *args, **kwargs):
        raise AttributeError(f"there is no {self._name}")

    def __getattr__(self, name):
        raise AttributeError(f"there is no {self._name}")

    def __mro_entries__(self, bases):
        return ()


def stand_in(module, name):
    """Make `from module import name` find something."""
    try:
        home = importlib.import_module(module)
    except ModuleNotFoundError:
        home = sys.modules[module] = types.ModuleType(module)
    if not hasattr(home, name):
        try:
            importlib.import_module(f"{module}.{name}")
        except ModuleNotFoundError:
            setattr(home, name, Missing(f"{module}.{name}"))


def stand_in_for_all(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.level in (0, 2):
            module = f"joblib.{node.module}" if node.level else node.module
            package, _, rest = module.partition(".")
            if package == "joblib" and rest and rest.split(".")[0] != "test":
                for alias in node.names:
                    stand_in(module, alias.name)
