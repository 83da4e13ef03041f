"""What a function is called, where it comes from, and what a call of it looks like."""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import re
import tokenize
import types
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from cjoblib._brief import brief
from cjoblib._core import Digest

__all__ = [
    "filter_args",
    "format_call",
    "format_signature",
    "get_func_code",
    "get_func_name",
]

NO_LINE = -1  # the "first line" of what has no source
LONG_LINE = 80  # after an argument of more characters a new line is started
_DOCTEST = re.compile(r"<doctest (.*)\[(\d+)\]>")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_NO_SOURCE = (OSError, TypeError, SyntaxError, UnicodeError, tokenize.TokenError)


# --- source ---------------------------------------------------------------------------


def get_func_code(func: Callable[..., Any]) -> tuple[str, str | None, int]:
    """Return the source of a function, as its file has it now.

    Returns
    -------
    code : str
        The source. Where there is none: a text that stands for the compiled code, the
        same in each process and for each hash seed. For callables without code
        (builtins, NumPy ufuncs, partials, instances): a text that tells them apart, the
        same in each process if the object can be pickled.
    file : str or None
        Where the code was compiled from; `<doctest NAME>` in a doctest.
    first_line : int
        Counted from 1, -1 without source; in a doctest, the number of the example.
    """
    code = getattr(func, "__code__", None)
    if not isinstance(code, types.CodeType):
        return _identity(func), None, NO_LINE
    try:
        return _source(func, code)
    except _NO_SOURCE:
        return code_fingerprint(code), code.co_filename, NO_LINE


def _source(func: Callable[..., Any], code: types.CodeType) -> tuple[str, str, int]:
    if os.path.exists(code.co_filename):
        with tokenize.open(code.co_filename) as file:
            lines = list(islice(file, code.co_firstlineno - 1, None))
        if not lines:
            raise OSError("the file has become shorter")
        return "".join(inspect.getblock(lines)), code.co_filename, code.co_firstlineno
    source = "".join(inspect.getsourcelines(func)[0])
    doctest = _DOCTEST.match(code.co_filename)
    if doctest:
        return source, f"<doctest {doctest[1]}>", int(doctest[2])
    return source, code.co_filename, 1


def code_fingerprint(code: types.CodeType) -> str:
    """Digest what the code does, and not where it stands or when it was compiled."""
    return _digest(_code_text(code).encode("utf-8", "backslashreplace"))


def _code_text(code: types.CodeType) -> str:
    parts = (
        code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_code,
        getattr(code, "co_exceptiontable", b""),
        code.co_names,
        code.co_varnames,
        code.co_cellvars,
        code.co_freevars,
    )
    return f"{parts!r} {_constant_text(code.co_consts)}"


def _constant_text(value: object) -> str:
    """Like repr, but of code without its address and of sets in a fixed order."""
    if isinstance(value, types.CodeType):
        return _code_text(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant_text, value))})"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_constant_text, value)))}}}"
    return repr(value)


def _identity(func: object) -> str:
    """Tell callables without code apart, by contents rather than by address."""
    if isinstance(func, functools.partial):
        code = get_func_code(func.func)[0]
        return f"partial {_contents((func.args, func.keywords))} of\n{code}"
    text = repr(func)
    return f"{type(func)} {_contents(func)}" if _ADDRESS.search(text) else text


def _contents(value: object) -> str:
    try:
        data = pickle.dumps(value)
    except Exception:  # whatever a __reduce__ may raise
        return repr(value)
    return _digest(data)


def _digest(data: bytes) -> str:
    digest = Digest()
    digest.update(data)
    return digest.hexdigest()


# --- name -----------------------------------------------------------------------------


def get_func_name(
    func: Callable[..., Any], resolv_alias: bool = True, win_characters: bool = True
) -> tuple[list[str], str]:
    """Return where a function can be found, as a path, and its name.

    Parameters
    ----------
    func : callable
        The function.
    resolv_alias, win_characters : bool
        Accepted for joblib's sake; nothing depends on them here.

    Returns
    -------
    path : list of str
        The parts of the module's name, then the classes and functions it is nested in.
        For `__main__` the name goes on with the file's path,
        `__main__--home-me-script`, or with a notebook cell's identity, which stays the
        same in another kernel.
    name : str
        `unknown` for a callable without one.
    """
    name = str(getattr(func, "__name__", "unknown"))
    module = getattr(func, "__module__", None) or ""
    if module == "__main__":
        module = _main_name(func)
    path = str(module).split(".")
    nested = getattr(func, "__qualname__", name)
    if nested != name:
        path += str(nested).split(".")[:-1]
    return path, name


def _main_name(func: Callable[..., Any]) -> str:
    try:
        file = inspect.getsourcefile(func)
    except (OSError, TypeError):  # neither a function nor a class with a file
        file = None
    if file is None:
        return "__main__"
    parts = os.path.abspath(file).split(os.sep)
    if parts[-1].startswith("<ipython-input-"):  # <ipython-input-NUMBER-CONTENTS>
        words = parts[-1].split("-")
        parts[-1] = "-".join(words[:2] + words[3:])
    elif len(parts) > 2 and parts[-2].startswith(
        "ipykernel_"
    ):  # ipykernel_PID/CONTENTS.py
        parts[-2] = "ipykernel"
    return "__main__-" + "-".join(parts).removesuffix(".py")


# --- arguments ------------------------------------------------------------------------


def filter_args(
    func: Callable[..., Any],
    ignore_lst: Iterable[str],
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the arguments of a call by name, however they were passed.

    Parameters
    ----------
    func : callable
        The function. Of anything but a function or method the parameters are not known.
    ignore_lst : list of str
        Names to leave out; `*` and `**` name the surplus arguments.
    args, kwargs : list, dict
        What the function is called with. The dict is not changed.

    Returns
    -------
    dict
        Defaults are filled in; a method's object is its first argument; surplus
        arguments are the list `"*"` and the dict `"**"`, if the function takes such.

    Raises
    ------
    ValueError
        If the function cannot be called like this, or does not have an ignored
        argument.
    """
    if isinstance(ignore_lst, str):
        raise ValueError(
            "ignore_lst must be a list of parameters to ignore "
            f"{ignore_lst} (type {type(ignore_lst)}) was given"
        )
    call = _Call(func, list(args), dict(kwargs or {}))
    if not (inspect.isfunction(func) or inspect.ismethod(func)):
        if ignore_lst:
            text = f"Cannot inspect object {brief(func)}, ignore list will not work."
            warnings.warn(text, stacklevel=2)
        return {"*": call.args, "**": call.kwargs}
    found = call.bind()
    for name in ignore_lst:
        if name not in found:
            raise ValueError(
                f"Ignore list: argument '{name}' is not defined for "
                f"function {call.declared()}"
            )
        del found[name]
    return found


class _Call:
    """One call, while its arguments are given their names.

    Unlike `Signature.bind` it fills in defaults and says in joblib's words what is
    wrong.
    """

    def __init__(
        self, func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        self.func = func
        self.args = args
        self.kwargs = kwargs

    def bind(self) -> dict[str, Any]:
        function = getattr(self.func, "__func__", self.func)
        given = self.args
        if inspect.ismethod(self.func):
            given = [self.func.__self__, *given]
        found: dict[str, Any] = {}
        surplus = dict(self.kwargs)
        n_taken = 0
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                found["*"] = given[n_taken:]
                n_taken = len(given)
            elif parameter.kind is parameter.VAR_KEYWORD:
                found["**"] = surplus
            elif n_taken < len(given) and parameter.kind is not parameter.KEYWORD_ONLY:
                self._check_given_once(parameter)
                found[parameter.name] = given[n_taken]
                n_taken += 1
            else:
                found[parameter.name] = self._take(parameter, surplus)
        if n_taken < len(given):
            self._refuse("Too many arguments")
        if surplus and "**" not in found:
            self._refuse("Too many keyword arguments")
        return found

    def _check_given_once(self, parameter: inspect.Parameter) -> None:
        by_name = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if by_name and parameter.name in self.kwargs:
            self._refuse(
                f"Argument {parameter.name} was given both as positional and as keyword"
            )

    def _take(self, parameter: inspect.Parameter, surplus: dict[str, Any]) -> Any:
        """The value given by keyword, or the default."""
        if (
            parameter.kind is not parameter.POSITIONAL_ONLY
            and parameter.name in surplus
        ):
            return surplus.pop(parameter.name)
        if parameter.default is parameter.empty:
            self._refuse("Wrong number of arguments")
        return parameter.default

    def declared(self) -> str:
        return f"{self._name()}{inspect.signature(self.func)}"

    def _name(self) -> str:
        return get_func_name(self.func)[1]

    def _refuse(self, reason: str) -> NoReturn:
        shown = ", ".join(_argument_texts(self.args, self.kwargs))
        raise ValueError(
            f"{reason} for {self.declared()}:\n    {self._name()}({shown}) was called."
        )


# --- text -----------------------------------------------------------------------------


def _argument_texts(args: Iterable[Any], kwargs: Mapping[str, Any]) -> list[str]:
    texts = [brief(value) for value in args]
    return texts + [f"{name}={brief(value)}" for name, value in kwargs.items()]


def format_signature(
    func: Callable[..., Any], *args: Any, **kwargs: Any
) -> tuple[str, str]:
    """Return a function's dotted path, and the text of a call of it.

    A long argument is shortened without looking at all of it.
    """
    path, name = get_func_name(func)
    texts = _argument_texts(args, kwargs)
    for at in range(1, len(args)):
        if len(texts[at - 1]) > LONG_LINE:
            texts[at] = "\n" + texts[at]
    return ".".join([*filter(None, path), name]), f"{name}({', '.join(texts)})"


def format_call(
    func: Callable[..., Any],
    args: Iterable[Any],
    kwargs: Mapping[str, Any],
    object_name: str = "Memory",
) -> str:
    """Return the lines that announce a call: a rule, who calls what, and the call."""
    path, call = format_signature(func, *args, **kwargs)
    return f"{'_' * 80}\n[{object_name}] Calling {path}...\n{call}"
