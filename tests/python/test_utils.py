"""Arithmetic in texts; errors that keep their traceback."""

from __future__ import annotations

import importlib
import pickle
import random
import string
import time
import traceback
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cjoblib._utils import (
    _retrieve_traceback_capturing_wrapped_call,
    _TracebackCapturingWrapper,
    eval_expr,
)

theirs: Any = importlib.import_module("joblib._utils")

VALID = {
    "2*6": 12,
    "2**6": 64,
    "1 + 2*3**(4) / (6 + -7)": -161.0,
    "(20 // 3) % 5": 1,
    "-2**2": -4,
    "2**-1": 0.5,
    "2**3**2": 512,
    "8-4-2": 2,
    "--1": 1,
    " 1.5e2 ": 150.0,
    ".5+5.": 5.5,
    "1.e1": 10.0,
    "00": 0,
    "((((7))))": 7,
    "1000000": 1_000_000,
}
INVALID = [
    "exec('import os')", "print(1)", "import os", "1+1; import os", "1^1", "1<<1",
    "' ' * 10**10", "9. ** 10000.", "1/0", "1//0", "1%0", "0**-1", "", " ", "()", "(1",
    "1)", "1 2", "1+", "*1", "+1", "~1", "True", "None", "1j", "(-8)**.5", "012", "1_0",
    "0x10", "1 if 1 else 2", "[1]", "1,2", "a", "__import__('os')", "1\n", "1\0",
    "\u0661", "lambda: 0",
    "1.2.3", "1e", ".", "**", "2** ", "1;1", "1#", "'a'", "n_jobs", "1==1",
]  # fmt: skip
TOO_LARGE = [
    "1e7", "10**7", "9**9**9", "9**999999", "-9**999999", "(-9)**999999", "1e999",
    "9" * 30, "999999*999999", "1000000+1", "99.**9", "1/.0000001", "0*1e7",
]  # fmt: skip


@pytest.mark.parametrize("expr", VALID)
def test_arithmetic(expr: str) -> None:
    found = eval_expr(expr)
    assert found == VALID[expr]
    assert type(found) is type(VALID[expr])


@pytest.mark.parametrize("expr", INVALID)
def test_anything_else_is_refused(expr: str) -> None:
    with pytest.raises(ValueError, match="is not a valid or supported arithmetic"):
        eval_expr(expr)


@pytest.mark.parametrize("expr", TOO_LARGE)
def test_large_numbers_are_refused_before_they_cost_anything(expr: str) -> None:
    start = time.thread_time()
    with pytest.raises(ValueError, match=r"Numeric literal .* is too large"):
        eval_expr(expr)
    assert time.thread_time() - start < 0.01


def test_long_texts_are_refused() -> None:
    for expr in ("1" + "+1" * 50, "(" * 10**7):
        with pytest.raises(ValueError, match="is too long"):
            eval_expr(expr)


def outcome(function: Any, expr: str) -> Any:
    try:
        return function(expr)
    except ValueError:
        return ValueError


numbers = st.integers(0, 2000).map(str) | st.floats(0, 2000).map("{:.3g}".format)
signs = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
expressions = st.recursive(
    numbers,
    lambda part: (
        st.tuples(
            part, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), part
        ).map(" ".join)
        | part.map("-{}".format)
        | part.map("({})".format)
    ),
    max_leaves=6,
).filter(lambda text: len(text) <= 30 and "e+" not in text)


@settings(max_examples=500)
@given(expressions)
def test_arithmetic_is_pythons(expr: str) -> None:
    found, expected = outcome(eval_expr, expr), outcome(theirs.eval_expr, expr)
    if isinstance(expected, complex):  # nothing that pre_dispatch could use
        expected = ValueError
    assert found == expected
    assert type(found) is type(expected)


@given(st.text(max_size=40) | st.text("0123456789.e+-*/%() n_", max_size=30))
def test_random_texts_give_a_number_or_a_value_error(expr: str) -> None:
    assert isinstance(outcome(eval_expr, expr), (int, float, type))


@pytest.mark.slow
def test_no_random_text_takes_long() -> None:
    random.seed(20)
    worst = 0.0
    for _ in range(10_000):
        alphabet = random.choice([string.printable, "0123456789.e+-*/%() "])
        expr = "".join(random.choices(alphabet, k=random.randrange(40)))
        start = time.thread_time()
        outcome(eval_expr, expr)
        worst = max(worst, time.thread_time() - start)
    assert worst < 0.01


def fail(x: int = 1) -> None:
    raise KeyError("inner", x)


@pytest.mark.parametrize("elsewhere", [True, False])
def test_error_keeps_its_traceback(elsewhere: bool) -> None:
    out = _TracebackCapturingWrapper(fail)(x=2)
    if elsewhere:
        out = pickle.loads(pickle.dumps(out))
    with pytest.raises(KeyError, match="inner") as caught:
        _retrieve_traceback_capturing_wrapped_call(out)
    assert caught.value.args == ("inner", 2)
    text = "".join(traceback.format_exception(caught.value))
    assert 'raise KeyError("inner", x)' in text.split("direct cause")[0]


def test_wrapped_call_gives_what_the_function_gives() -> None:
    out = _TracebackCapturingWrapper(dict)(a=1)
    assert _retrieve_traceback_capturing_wrapped_call(out) == {"a": 1}
