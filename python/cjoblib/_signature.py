"""A function's signature as the C part binds calls by it, and calls as text."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from cjoblib._brief import brief
from cjoblib._identity import brought_along

LONGEST_TEXT = 300  # characters kept of an argument


class _Missing:
    """Stands for the default of a parameter that has none."""


MISSING = _Missing()


class Rules(NamedTuple):
    """A signature as ``_core.Memo`` wants it."""

    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    missing: object
    ignored: frozenset[str]
    n_positional_only: int
    n_positional: int
    takes_varargs: bool
    takes_keywords: bool
    bound_name: str | None
    bound_value: object


def rules_of(func: Callable[..., Any], ignore: Iterable[str]) -> Rules:
    """How calls of a function are bound.

    Raises
    ------
    ValueError
        A name in `ignore` is no argument of the function.
    """
    along = brought_along(func)
    bound = along if along is not None else (None, None)
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):  # NumPy's ufuncs, some builtins
        rules = Rules((), (), MISSING, frozenset(), 0, 0, True, True, *bound)
    else:
        rules = _rules_of_parameters(parameters, bound)
    known = {*rules.names, rules.bound_name}
    known |= {"*"} if rules.takes_varargs else set()
    known |= {"**"} if rules.takes_keywords else set()
    wanted = frozenset(ignore)
    for argument in sorted(wanted - known):
        from cjoblib.func_inspect import get_func_name

        raise ValueError(
            f"Ignore list: argument '{argument}' is not defined for "
            f"function {get_func_name(func)[1]}"
        )
    return rules._replace(ignored=wanted)


def _rules_of_parameters(
    parameters: list[inspect.Parameter], bound: tuple[str | None, object]
) -> Rules:
    kind = inspect.Parameter
    kinds = [p.kind for p in parameters]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    n_only = kinds.count(kind.POSITIONAL_ONLY)
    return Rules(
        tuple(sys.intern(p.name) for p in named),
        tuple(MISSING if p.default is p.empty else p.default for p in named),
        MISSING,
        frozenset(),
        n_only,
        n_only + kinds.count(kind.POSITIONAL_OR_KEYWORD),
        kind.VAR_POSITIONAL in kinds,
        kind.VAR_KEYWORD in kinds,
        *bound,
    )


def argument_texts(
    rules: Rules, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, str]:
    """The arguments of a call that fits, by name, each as a short text."""
    texts = {}
    if rules.bound_name is not None:
        texts[rules.bound_name] = text_of(rules.bound_value)
    given = dict(zip(rules.names[: rules.n_positional], args, strict=False))
    extra = dict(kwargs)
    for at, name in enumerate(rules.names):
        if name in given:
            texts[name] = text_of(given[name])
        elif name in extra and at >= rules.n_positional_only:
            texts[name] = text_of(extra.pop(name))
        else:
            texts[name] = text_of(rules.defaults[at])
    if rules.takes_varargs:
        texts["*"] = text_of(list(args[rules.n_positional :]))
    if rules.takes_keywords:
        texts["**"] = text_of(extra)
    for name in rules.ignored:
        texts.pop(name, None)
    return texts


def text_of(value: Any) -> str:
    """A short text of a value, at a cost that does not grow with it."""
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return repr(value)
    if kind is int and -(1 << 62) < value < 1 << 62:
        return repr(value)
    if kind is str and len(value) < LONGEST_TEXT // 4:
        return repr(value)
    text = brief(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 3] + "..."
