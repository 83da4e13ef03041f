"""What tasks in workers share with the caller besides their arguments.

    caller                                   worker
    Ambient: context variables, filters  ->  set up when the first task of a loop comes
             of warnings, log levels
    open_up() <- Told(result, said)      <-  warnings and log records of the task

Only loops of which there is something to say travel like that: in a program that has not
touched warnings, logging or context variables, calls go as they are.
"""

from __future__ import annotations

import contextvars
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_filters_at_start = list(warnings.filters)
_shown_at_start = (warnings.showwarning, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]

Said = list[tuple[str, Any]]
Levels = dict[str, int]


class Told:
    """A result, and what was said while it was made."""

    __slots__ = ("result", "said")

    def __init__(self, result: Any, said: Said) -> None:
        self.result = result
        self.said = said

    def __reduce__(self) -> tuple[Any, ...]:
        return Told, (self.result, self.said)


class Ambient:
    """What surrounds the calls of one loop, as it travels with their function."""

    def __init__(
        self,
        function: Callable[..., Any],
        variables: list[tuple[str, str, bytes]],
        filters: list[Any],
        levels: Levels | None,
    ) -> None:
        self.function = function
        self.variables = variables
        self.filters = filters
        self.levels = levels
        self.__qualname__ = getattr(
            function, "__qualname__", type(function).__qualname__
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call in a worker."""
        context = _here.enter(self)
        try:
            result = context.copy().run(self.function, *args, **kwargs)
        except BaseException as error:
            if _here.said:
                error.__dict__["_cjoblib_said"] = _here.take()
            raise
        return Told(result, _here.take()) if _here.said else result


class _Here:
    """What a worker has set up."""

    def __init__(self) -> None:
        self.ambient: Ambient | None = None
        self.context = contextvars.Context()
        self.said: Said = []
        self.handler: Any = None

    def enter(self, ambient: Ambient) -> contextvars.Context:
        if ambient is not self.ambient:
            self.ambient = ambient
            self.context = contextvars.Context()
            self.context.run(_set_variables, ambient.variables)
            warnings.filters[:] = ambient.filters  # type: ignore[index]
            warnings._filters_mutated()  # type: ignore[attr-defined]
            warnings.showwarning = self._keep_warning
            if ambient.levels is not None:
                self._follow_levels(ambient.levels)
        return self.context

    def take(self) -> Said:
        said, self.said = self.said, []
        return said

    def _keep_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        self.said.append(("warning", (message, category, filename, lineno)))

    def _follow_levels(self, levels: Levels) -> None:
        import logging
        from logging.handlers import QueueHandler

        if self.handler is None:
            said = self

            class Keeping(QueueHandler):
                def enqueue(self, record: logging.LogRecord) -> None:
                    said.said.append(("record", record))

            self.handler = Keeping(None)  # type: ignore[arg-type]
            logging.getLogger().addHandler(self.handler)
        for name, level in levels.items():
            logging.getLogger(name or None).setLevel(level)


_here = _Here()


def _set_variables(variables: list[tuple[str, str, bytes]]) -> None:
    import importlib
    import pickle

    for module, name, value in variables:
        getattr(importlib.import_module(module), name).set(pickle.loads(value))


# --- the caller's side -----------------------------------------------------------------------


_is_used = [False]  # from then on workers keep what is said until they are asked for it


def around(calls: Iterable[Any]) -> Iterator[Any] | None:
    """Return the calls with what surrounds them; None: they may go as they are."""
    variables = _variables()
    levels = _levels()
    if variables or levels is not None or _warnings_are_touched():
        _is_used[0] = True
    if not _is_used[0]:
        return None
    return _surrounded(calls, variables, list(warnings.filters), levels)


def _surrounded(
    calls: Iterable[Any],
    variables: list[tuple[str, str, bytes]],
    filters: list[Any],
    levels: Levels | None,
) -> Iterator[Any]:
    last: Any = None
    wrapped: Any = None
    for call in calls:
        if not (isinstance(call, tuple) and len(call) == 3):
            yield call  # the pool says what is wrong with it
            continue
        function, args, kwargs = call
        if function is not last:
            last = function
            wrapped = Ambient(function, variables, filters, levels)
        yield wrapped, args, kwargs


def _warnings_are_touched() -> bool:
    shown = (warnings.showwarning, warnings._showwarnmsg_impl)  # type: ignore[attr-defined]
    return list(warnings.filters) != _filters_at_start or shown != _shown_at_start


def _levels() -> Levels | None:
    """The levels of all loggers, if anybody listens to one."""
    logging = sys.modules.get("logging")
    if logging is None:
        return None
    known = dict(logging.Logger.manager.loggerDict)
    loggers = {n: x for n, x in known.items() if isinstance(x, logging.Logger)}
    if not logging.root.handlers and not any(x.handlers for x in loggers.values()):
        return None
    levels: Levels = {n: x.level for n, x in loggers.items() if x.level}
    return {"": logging.root.level, **levels}


def _variables() -> list[tuple[str, str, bytes]]:
    """The caller's context variables that can be found by name and pickled."""
    import pickle

    found = []
    for variable, value in contextvars.copy_context().items():
        home = _home_of(variable)
        if home is not None:
            try:
                found.append((*home, pickle.dumps(value)))
            except Exception:  # what can't travel stays behind
                continue
    return found


def _home_of(variable: contextvars.ContextVar[Any]) -> tuple[str, str] | None:
    """Return the module that has it under a name of its own."""
    for module_name, module in list(sys.modules.items()):
        if module_name == "__main__":
            continue
        for name in (variable.name, variable.name.rpartition(".")[2]):
            if getattr(module, "__dict__", {}).get(name) is variable:
                return module_name, name
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is variable:
                return module_name, name
    return None


def open_up(values: list[Any]) -> list[Any]:
    """Return results as the functions gave them; what they said is said here."""
    return [_opened(v) if type(v) is Told else v for v in values]


def _opened(told: Told) -> Any:
    say(told.said)
    return told.result


def say_of(error: BaseException) -> None:
    """Say what was said until this was raised."""
    said = getattr(error, "__dict__", {}).pop("_cjoblib_said", None)
    if said:
        say(said)


def say(said: Said) -> None:
    """Give warnings and log records of a worker to whoever listens here."""
    for kind, what in said:
        if kind == "warning":
            message, category, filename, lineno = what
            warnings.warn_explicit(message, category, filename, lineno)
        else:
            import logging

            logger = logging.getLogger(what.name)
            if logger.isEnabledFor(what.levelno):
                logger.handle(what)
