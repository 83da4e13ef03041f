"""What joblib carries with it and others import from there: `loky` and `cloudpickle`.

`loky` is ours, over the same worker processes as `Parallel`; `cloudpickle` is the
installed package itself.
"""
