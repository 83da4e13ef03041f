"""More kinds for the corpus: arrays and what stands on them. Import it to have them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import corpus
import numpy as np
from corpus import Maker, kind

DTYPES = [
    *(
        "?",
        "i1",
        "u2",
        "<i4",
        ">i8",
        "f2",
        "<f4",
        ">f8",
        "g",
        "c8",
        "c16",
        "S3",
        "<U4",
        ">U2",
    ),
    *("M8[D]", "M8[ns]", "m8[s]", "V5", "M8"),
    [("a", "<i4"), ("b", ">f8")],
    [("a", "i1"), ("b", "f8", (2, 2)), ("c", "U3")],
    np.dtype([("a", "i1"), ("b", "i8")], align=True),
    np.dtype({"names": ["x"], "formats": ["i2"], "offsets": [4], "itemsize": 8}),
    np.dtype([("a", [("b", "i2")])]),
    np.dtype((np.record, [("r", "i4")])),
]


class OwnArray(np.ndarray):
    pass


def filled(m: Maker, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Numbers of any bits, but for what has rules."""
    dtype = np.dtype(dtype)
    n = int(np.prod(shape))
    if dtype.kind in "biufcmM" and dtype.char != "g":
        numbers = [m.below(100) for _ in range(n)]
        return np.array(numbers, "i8").astype(dtype).reshape(shape)
    if dtype.kind in "SU":
        return np.array([str(m.below(10**4)) for _ in range(n)], dtype).reshape(shape)
    return np.zeros(shape, dtype)


def plain(m: Maker) -> Any:
    shape = m.pick(
        (0,), (1,), (3,), (2, 3), (3, 1), (2, 0, 3), (2, 3, 4), (), (70,), (1, 1)
    )
    return filled(m, m.pick(*DTYPES), shape)


@kind("leaf")
@kind("leaf")
def array(m: Maker) -> Any:
    made = plain(m)
    how = m.below(8)
    if made.dtype.str[0] == ">" and how in (3, 4, 5):
        # NumPy pickles a strided array of the other byte order as one of this order.
        how = 0
    if how == 1:
        made = np.asfortranarray(made)
    elif how == 2:
        made = made.T
    elif how == 3 and made.ndim:
        made = made[::2]
    elif how == 4 and made.ndim:
        made = made[..., ::-1]
    elif how == 5:
        made = np.broadcast_to(made, (2, *made.shape))
    elif how == 6 and made.ndim:
        made = made[None, ..., None]
    elif how == 7:
        made.flags.writeable = False
    return made


@kind("leaf")
def scalar(m: Maker) -> Any:
    return m.pick(
        *(
            np.float64(m.random.random()),
            np.float32(1.5),
            np.float16(-0.0),
            np.int8(-3),
        ),
        *(
            np.uint64(2**64 - 1),
            np.bool_(True),
            np.str_("text"),
            np.bytes_(b"b"),
            np.complex64(1j),
        ),
        *(np.datetime64("2020-01-02"), np.datetime64("NaT"), np.timedelta64(3, "s")),
        *(np.longdouble(1.5), np.void(b"abc"), filled(m, DTYPES[-6], (1,))[0]),
    )


@kind("leaf")
def about_arrays(m: Maker) -> Any:
    return m.pick(
        *map(np.dtype, DTYPES),
        *(
            np.float64,
            np.ndarray,
            np.generic,
            np.add,
            np.sin,
            np.sum,
            np.newaxis,
            np.dtype("O"),
        ),
        *(np.linalg.norm, np.ma.masked, np.ndarray.sum, np.frompyfunc),
    )


@kind("leaf")
def other_array(m: Maker) -> Any:
    data = filled(m, m.pick("f8", "i4"), (2, 3))
    return m.pick(
        lambda: np.ma.array(data, mask=data > 20),
        lambda: np.ma.array(data),
        lambda: np.matrix(data),
        lambda: np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        lambda: np.char.array(["a", "bc"]),
        lambda: data.view(OwnArray),
        lambda: memoryview(data) if m.below(2) else data.data,
        lambda: np.poly1d([1, 2, m.below(9)]),
        lambda: np.finfo("f4").eps,
    )()


@kind("leaf")
def generator(m: Maker) -> Any:
    made = m.pick(np.random.RandomState, np.random.default_rng)(m.below(9))
    bits = m.pick(np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64)
    return m.pick(
        made, np.random.Generator(bits(m.below(5))), np.random.SeedSequence(m.below(9))
    )


@kind("container")
def object_array(m: Maker) -> Any:
    values = m.values()
    made = np.empty(len(values), object)
    made[:] = [None] * len(values)
    for i, value in enumerate(values):
        made[i] = value
    structured = np.array([(1, [2])], [("a", "i4"), ("o", "O")])
    return m.pick(
        made, made, made[::-1], made.reshape(1, -1), structured, np.array(None, object)
    )


@kind("container")
def of_arrays(m: Maker) -> Any:
    one = array(m)
    return m.pick(
        [one, one], {"x": one, "y": [one, one.copy()]}, corpus.Plain(coef_=one, n=1)
    )


try:
    import pandas as pd
except ImportError:
    pass
else:

    @kind("leaf")
    def frame(m: Maker) -> Any:
        n = m.below(5)
        columns = {
            "i": range(n),
            "f": [m.random.random() for _ in range(n)],
            "s": [m.text() for _ in range(n)],
            "c": pd.Categorical([m.pick("u", "v") for _ in range(n)], ["u", "v", "w"]),
            "t": pd.date_range(
                "2020-01-01", periods=n, tz=m.pick(None, "UTC", "Europe/Berlin")
            ),
            "n": pd.array([None] * n, dtype="Int64"),
            "o": [[i] for i in range(n)],
        }
        chosen = [name for name in columns if m.below(2)] or ["i"]
        made = pd.DataFrame({name: columns[name] for name in chosen})
        how = m.below(7)
        if how == 1:
            made = made.set_index(chosen[0]) if chosen[0] != "o" else made
        elif how == 2:
            made = made[::2]
        elif how == 3:
            return made[chosen[0]]
        elif how == 4:
            made.attrs["about"] = m.below(3)
        elif how == 5:
            return made.index
        elif how == 6:
            made["late"] = 1
        return made

    OF_PANDAS = [
        *(pd.Timestamp("2020-01-02", tz="UTC"), pd.Timedelta("1D"), pd.NaT, pd.NA),
        *(pd.Interval(0, 3), pd.Period("2020-01", "M"), pd.CategoricalDtype(["a"])),
        *(
            pd.MultiIndex.from_product([[1, 2], ["a", "b"]]),
            pd.RangeIndex(7),
            pd.Int64Dtype(),
        ),
        *(pd.interval_range(0, 3), pd.DateOffset(days=1), pd.array([1, None])),
        pd.arrays.SparseArray([0, 0, 1]),
    ]

    @kind("leaf")
    def of_pandas(m: Maker) -> Any:
        return copy.copy(m.pick(*OF_PANDAS))


try:
    from scipy import sparse
except ImportError:
    pass
else:

    @kind("leaf")
    def sparse_matrix(m: Maker) -> Any:
        dense = filled(m, m.pick("f8", "i4"), (3, 4)) * filled(m, "?", (3, 4))
        formats = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")
        make = m.pick(sparse.csr_matrix, sparse.coo_array)
        return make(dense).asformat(m.pick(*formats))


try:
    from sklearn import ensemble, linear_model, pipeline, preprocessing, tree
except ImportError:
    pass
else:
    MODELS: list[Callable[[], Any]] = [
        lambda: linear_model.LogisticRegression(C=2),
        lambda: tree.DecisionTreeClassifier(max_depth=2, random_state=0),
        lambda: ensemble.RandomForestClassifier(n_estimators=2, random_state=0),
        lambda: pipeline.make_pipeline(
            preprocessing.StandardScaler(), linear_model.Ridge()
        ),
    ]

    @functools.cache
    def fitted(which: int) -> Any:
        x = np.arange(16.0).reshape(8, 2)
        return MODELS[which]().fit(x, np.array([0, 1] * 4))

    @kind("leaf")
    def model(m: Maker) -> Any:
        which = m.below(len(MODELS))
        return copy.deepcopy(fitted(which)) if m.below(2) else MODELS[which]()
