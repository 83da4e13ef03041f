"""Text for a value of any size, at a cost bounded by the text and not by the value.

Of a long argument only the first characters are shown, so most of it need never be
looked at: `excerpt` builds a small stand-in whose text begins as the whole value's text
does, and that stand-in is printed.

Containers are recognised by their `__repr__`, as `pprint` does it, so that subclasses
with a text of their own are left alone.
"""

from __future__ import annotations

import operator
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from cjoblib.logger import numpy_in_brief, pformat

LONGEST = 1500  # characters; a longer text is shortened
SHORTENED = 700  # to so many
BUDGETS = (LONGEST + 100, 20 * LONGEST)  # the second when much of it shows as [...]
DEPTH = 3  # of lists, tuples and dicts; what is deeper shows as [...]
DEPTH_OF_OTHERS = 8  # stops at a deque that holds itself
MOST_PAIRS = LONGEST // 4  # each takes at least "a: b, "
MOST_BITS = 10_000  # Python itself refuses to print more than 4300 digits


class _Text:
    """Prints as the text that it is given."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


_DOTS = _Text("...")


class _Budget:
    """Characters left to spend; what they pay for is estimated from below."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.exceeded = False  # something was left out

    def items(self, found: Iterable[Any]) -> Iterator[Any]:
        """Yield while there is something left; an item's separator is charged here."""
        for item in found:
            if self.left <= 0:
                self.exceeded = True
                return
            self.left -= 2
            yield item


_Shrink = Callable[[Any, _Budget, int], Any]


def brief(value: object) -> str:
    """Return the text of one argument, shortened when it is longer than `LONGEST`.

    It is `pformat(value, indent=2)`, or the beginning of it and `...`. A value that
    fails to print itself is shown as `<Type object at 0x...>`.
    """
    try:
        for characters in BUDGETS:
            budget = _Budget(characters)
            with numpy_in_brief():
                text = pformat(excerpt(value, budget), indent=2)
            if len(text) > LONGEST or not budget.exceeded:
                break
    except Exception:  # a broken __repr__ must not break the call that is described
        return f"<{type(value).__name__} object at {id(value):#x}>"
    if len(text) <= LONGEST and not budget.exceeded:
        return text
    return text[:SHORTENED] + "..."


def excerpt(value: Any, budget: _Budget, level: int = 0) -> Any:
    """Return a stand-in with the same text as far as the budget goes."""
    shrink = _SHRINK.get(type(value).__repr__)
    if shrink is not None:
        return shrink(value, budget, level)
    if type(value).__module__ == "numpy":
        text = repr(value)
        budget.left -= len(text)
        return _Text(text)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        fields = (excerpt(item, budget, level + 1) for item in value)
        return tuple.__new__(type(value), fields)
    budget.left -= 1
    return value


def _children(found: Iterable[Any], budget: _Budget, level: int) -> Iterator[Any]:
    return (excerpt(item, budget, level + 1) for item in budget.items(found))


def _pairs(
    found: Iterable[tuple[Any, Any]], budget: _Budget, level: int
) -> dict[Any, Any]:
    return {
        excerpt(key, budget, level + 1): excerpt(item, budget, level + 1)
        for key, item in budget.items(found)
    }


def _shrink_int(value: int, budget: _Budget, level: int) -> object:
    bits = value.bit_length()
    budget.left -= 1 + bits // 4
    return value if bits <= MOST_BITS else _Text(f"<int of {bits} bits>")


def _shrink_slice(value: Any, budget: _Budget, level: int) -> Any:
    """Texts and arrays of numbers: the beginning of them."""
    kept = max(budget.left, 1)
    budget.left -= len(value)
    if len(value) <= kept:
        return value
    budget.exceeded = True
    return value[:kept]


def _shrink_list(value: Any, budget: _Budget, level: int) -> Any:
    kind = tuple if isinstance(value, tuple) else list
    if level >= DEPTH:
        return kind([_DOTS] * min(len(value), 2))
    return kind(_children(value, budget, level))


def _shrink_dict(value: Any, budget: _Budget, level: int) -> Any:
    if level >= DEPTH:
        return {_DOTS: _DOTS} if value else {}
    items = list(islice(value.items(), MOST_PAIRS))
    budget.exceeded |= len(items) < len(value)
    with suppress(TypeError):  # where pprint has no order either
        items.sort(key=_key_order)
    with suppress(TypeError):
        items.sort(key=lambda item: item[0])
    return _pairs(items, budget, level)


def _key_order(item: tuple[Any, Any]) -> tuple[str, Any]:
    """Order keys that do not compare: by type first, as pprint does."""
    return str(type(item[0])), item[0]


def _other(rebuild: _Shrink) -> _Shrink:
    """Containers that pprint shows at any depth."""

    def shrink(value: Any, budget: _Budget, level: int) -> Any:
        if level >= DEPTH_OF_OTHERS:
            return _Text(f"{type(value).__name__}(...)")
        return rebuild(value, budget, level)

    return shrink


def _shrink_set(value: Any, budget: _Budget, level: int) -> Any:
    children = list(_children(value, budget, level))
    if len(children) == len(value) and all(map(operator.is_, children, value)):
        return value  # another set of the same items may have them in another order
    return type(value)(children)


def _shrink_deque(value: Any, budget: _Budget, level: int) -> Any:
    return deque(_children(value, budget, level), value.maxlen)


def _shrink_ordered(value: Any, budget: _Budget, level: int) -> Any:
    return OrderedDict(_pairs(value.items(), budget, level))


def _shrink_default(value: Any, budget: _Budget, level: int) -> Any:
    return defaultdict(value.default_factory, _pairs(value.items(), budget, level))


def _shrink_counter(value: Any, budget: _Budget, level: int) -> Any:
    if len(value) <= MOST_PAIRS:
        return Counter(_pairs(value.most_common(), budget, level))
    return Counter(_pairs(value.items(), budget, level))


_SHRINK: dict[object, _Shrink] = {
    int.__repr__: _shrink_int,
    str.__repr__: _shrink_slice,
    bytes.__repr__: _shrink_slice,
    bytearray.__repr__: _shrink_slice,
    array.__repr__: _other(_shrink_slice),
    list.__repr__: _shrink_list,
    tuple.__repr__: _shrink_list,
    dict.__repr__: _shrink_dict,
    set.__repr__: _other(_shrink_set),
    frozenset.__repr__: _other(_shrink_set),
    deque.__repr__: _other(_shrink_deque),
    OrderedDict.__repr__: _other(_shrink_ordered),
    defaultdict.__repr__: _other(_shrink_default),
    Counter.__repr__: _other(_shrink_counter),
}
