"""The corpus: our pickler, unpickler and hashes beside pickle's and joblib's, object by object.

Each object has a number; ``CJOBLIB_SEED`` chooses where they begin, ``CJOBLIB_CASES`` how many
there are: 100,000 for a night, with ``--timeout=0``.
"""

from __future__ import annotations

import copy
import hashlib
import os
import pathlib
import pickle
import subprocess
import sys
import warnings
from typing import Any

import corpus
import pytest
from picture import Cyclic, picture
from seeds import SEED, cases

from cjoblib import _core
from cjoblib.hashing import hash

joblib = pytest.importorskip("joblib", reason="joblib is what we compare with")
pytest.importorskip("corpus_arrays", reason="the corpus has arrays in it")

pytestmark = pytest.mark.filterwarnings("ignore")
NUMBERS = range(SEED, SEED + cases(2000))
ERRORS = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)


def attempt(call: Any, *args: Any) -> Any:
    """What it returns, or the error that it raises."""
    try:
        return call(*args)
    except Exception as error:
        return error


def failed(outcome: Any) -> bool:
    return isinstance(outcome, Exception)


def check(numbers: Any, check_one: Any) -> None:
    """Check all, and say which numbers failed."""
    wrong = {}
    for number in numbers:
        try:
            check_one(number)
        except Exception as error:
            wrong[number] = f"{type(error).__name__}: {str(error)[:300]}"
    first = list(wrong.items())[:10]
    assert not wrong, f"{len(wrong)} of {len(numbers)}: {first}"


def check_pickle(number: int) -> None:
    protocol = number % (pickle.HIGHEST_PROTOCOL + 1)
    theirs = attempt(pickle.dumps, corpus.build(number), protocol)
    ours = attempt(_core.pickle_dumps, corpus.build(number), protocol)
    if failed(theirs) or failed(ours):
        assert failed(theirs) == failed(ours), (theirs, ours)
        return
    by_theirs = attempt(pickle.loads, theirs)
    by_ours = attempt(_core.pickle_loads, theirs)
    if failed(by_theirs):
        assert type(by_ours) is type(by_theirs), (by_theirs, by_ours)
        return
    expected = picture(by_theirs)
    # Members of a set that hash by their address stand in another order each time.
    again = [pickle.loads(theirs) for _ in range(4)]
    if any(picture(other) != expected for other in again):
        return
    assert picture(by_ours) == expected
    assert picture(pickle.loads(ours)) == expected
    assert picture(_core.pickle_loads(ours)) == expected
    # A string that is interned on the way has more owners than it had, and takes a number.
    assert len(ours) <= len(theirs) + 64


def test_pickle() -> None:
    check(NUMBERS, check_pickle)


def check_joblib(number: int) -> None:
    obj, name = corpus.build(number), ("md5", "sha1")[number % 2]
    theirs = attempt(joblib.hash, obj, name)
    if failed(theirs):
        assert failed(attempt(hash, obj, name)), theirs
        return
    if theirs == joblib.hash(corpus.build(number), name) == joblib.hash(obj, name):
        assert hash(obj, name) == theirs


def test_md5_and_sha1() -> None:
    check(NUMBERS, check_joblib)


def canonical(obj: Any, name: str = "xxh128") -> str:
    try:
        return hash(obj, name)
    except _core.UnhashableError as error:
        return f"{error}".partition(":")[0]


def check_canonical(number: int) -> None:
    name = ("xxh128", "sha256")[number % 2]
    obj = corpus.build(number)
    found = canonical(obj, name)
    assert canonical(obj, name) == found
    assert canonical(corpus.build(number), name) == found
    if found.startswith("obj"):
        return
    # Not everything is itself again: NumPy's copies may change layout and byte order.
    for copied in copies(obj):
        if attempt(picture, copied) == attempt(picture, obj):
            assert canonical(copied, name) == found


def copies(obj: Any) -> list[Any]:
    made = [attempt(copy.deepcopy, obj), attempt(pickle.dumps, obj, 5)]
    if not failed(made[1]):
        made[1] = attempt(pickle.loads, made[1])
    return [one for one in made if not failed(one)]


def test_canonical_of_copies() -> None:
    check(NUMBERS, check_canonical)


def test_canonical_as_the_picture_says() -> None:
    """What looks alike hashes alike, and what does not, does not."""
    seen: dict[str, Any] = {}
    values: dict[Any, str] = {}
    for number in NUMBERS:
        obj = corpus.build(number)
        found = canonical(obj)
        if found.startswith("obj"):
            continue
        look = attempt(picture, obj, False)
        if failed(look):
            assert isinstance(look, (Cyclic, *ERRORS)), (number, look)
            continue
        look = hashlib.blake2b(repr(look).encode("utf-8", "surrogatepass")).digest()
        assert values.setdefault(look, found) == found, number
        assert seen.setdefault(found, look) == look, number


def digests(numbers: Any) -> str:
    return "\n".join(canonical(corpus.build(number)) for number in numbers)


@pytest.mark.parametrize("hash_seed", ["0", "77"])
def test_canonical_in_another_process(hash_seed: str) -> None:
    numbers = NUMBERS[:500]
    paths = [
        str(pathlib.Path(__file__).parent),
        str(pathlib.Path(_core.__file__).parents[1]),
    ]
    code = (
        "import warnings; warnings.simplefilter('ignore'); import test_corpus; "
        f"print(test_corpus.digests({numbers!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join(paths),
        },
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        here = digests(numbers).split("\n")
    there = run.stdout.rstrip("\n").split("\n")
    wrong = [n for n, a, b in zip(numbers, here, there, strict=True) if a != b]
    assert not wrong
