"""Arithmetic for `pre_dispatch`, and calls whose errors keep their traceback.

The grammar of `eval_expr`; a token is a number, an operator or a parenthesis, and
blanks may stand between tokens:

    sum     = product (("+" | "-") product)*
    product = sign (("*" | "/" | "//" | "%") sign)*
    sign    = "-" sign | power
    power   = atom ("**" sign)?
    atom    = number | "(" sum ")"
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

Number = int | float

MAX_LENGTH = 30
LARGEST = 10**6  # in size, of every number on the way
_TOKEN = re.compile(
    r"(?P<float>[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?"
    r"|[0-9]+[eE][+-]?[0-9]+)|(?P<int>0+|[1-9][0-9]*)|(?P<sign>\*\*|//|[-+*/%()])"
)
_SUM = {"+": operator.add, "-": operator.sub}
_PRODUCT = {
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def eval_expr(expr: str) -> Number:
    """Return the value of an arithmetic expression such as `2*8` or `(3 + 1) // 2`.

    Numbers, `+ - * / // % **`, parentheses and minus signs, with Python's meaning;
    nothing is ever looked up, called or compiled, and the work is bounded.

    Raises
    ------
    ValueError
        If it is anything else, longer than 30 characters, or has a number above 10**6
        in size on the way.
    """
    if len(expr) > MAX_LENGTH:
        raise ValueError(
            f"Expression {expr[:MAX_LENGTH]!r}... is too long. "
            f"Max length is {MAX_LENGTH}, got {len(expr)}."
        )
    try:
        return _Parser(expr).value()
    except (SyntaxError, ZeroDivisionError, OverflowError) as error:
        raise ValueError(
            f"{expr!r} is not a valid or supported arithmetic expression."
        ) from error


class _Parser:
    """A method for each rule of the grammar returns the value of what it took."""

    def __init__(self, expr: str) -> None:
        self._tokens = _tokens(expr)[::-1]  # the next one is last

    def value(self) -> Number:
        result = self._sum()
        if self._tokens:
            raise SyntaxError(f"unexpected {self._tokens[-1]!r}")
        return result

    def _accept(self, *signs: str) -> str | None:
        if self._tokens and self._tokens[-1] in signs:
            return str(self._tokens.pop())
        return None

    def _chain(
        self, part: Callable[[], Number], functions: dict[str, Callable[..., Number]]
    ) -> Number:
        result = part()
        while sign := self._accept(*functions):
            result = _bounded(functions[sign](result, part()))
        return result

    def _sum(self) -> Number:
        return self._chain(self._product, _SUM)

    def _product(self) -> Number:
        return self._chain(self._sign, _PRODUCT)

    def _sign(self) -> Number:
        return -self._sign() if self._accept("-") else self._power()

    def _power(self) -> Number:
        base = self._atom()
        return _power(base, self._sign()) if self._accept("**") else base

    def _atom(self) -> Number:
        if self._accept("("):
            result = self._sum()
            if not self._accept(")"):
                raise SyntaxError("missing )")
            return result
        token = self._tokens.pop() if self._tokens else "nothing"
        if isinstance(token, str):
            raise SyntaxError(f"a number is missing before {token!r}")
        return token


def _tokens(expr: str) -> list[str | Number]:
    """Split the expression: signs as texts, numbers as numbers."""
    found: list[str | Number] = []
    at = 0
    while rest := expr[at:].lstrip(" \t"):
        match = _TOKEN.match(rest)
        if match is None:
            raise SyntaxError(f"unexpected {rest[0]!r}")
        at = len(expr) - len(rest) + match.end()
        text = match[0]
        if match["sign"]:
            found.append(text)
        else:
            found.append(_bounded(float(text) if match["float"] else int(text)))
    return found


def _power(base: Number, exponent: Number) -> Number:
    """Refuse before working: an integer's power can take any time and memory."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and abs(base) >= 2 and exponent > LARGEST.bit_length():
        raise _too_large(f"{base}**{exponent}")
    result = base**exponent
    if isinstance(result, complex):
        raise SyntaxError("not a real number")
    return _bounded(result)


def _bounded(value: Number) -> Number:
    if abs(value) > LARGEST:
        raise _too_large(str(value))
    return value


def _too_large(text: str) -> ValueError:
    return ValueError(f"Numeric literal {text} is too large, max is {LARGEST}.")


class _Sentinel:
    """Marks a parameter that was not given; carries what it defaults to."""

    def __init__(self, default_value: object) -> None:
        self.default_value = default_value

    def __repr__(self) -> str:
        return f"default({self.default_value!r})"


class RemoteTraceback(Exception):
    """The cause of an error that came from another process: its traceback as text."""


class _CaughtError:
    """An error on its way to another process: unpickles as itself, with its cause."""

    def __init__(self, error: BaseException) -> None:
        import traceback

        self.error = error
        self.text = "".join(traceback.format_exception(error))

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return _with_cause, (self.error, self.text)


def _with_cause(error: BaseException, text: str) -> BaseException:
    error.__cause__ = RemoteTraceback(f'\n"""\n{text}"""')
    return error


class _TracebackCapturingWrapper:
    """Call a function where its error would lose its traceback, and return the error.

    Another process gets it back by `_retrieve_traceback_capturing_wrapped_call`.
    """

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, **kwargs: Any) -> Any:
        try:
            return self.func(**kwargs)
        except BaseException as error:
            return _CaughtError(error)


def _retrieve_traceback_capturing_wrapped_call(out: Any) -> Any:
    """Return what a wrapped call returned, or raise the error that it caught."""
    if isinstance(out, _CaughtError):
        out = _with_cause(out.error, out.text)
    if isinstance(out, BaseException):
        raise out
    return out
