# What `import joblib` finds in these runs: cjoblib steps into its place. The suite's own
# `joblib.test` is found by sitecustomize.py, in every process.
import sys

del sys.modules["joblib"]

import cjoblib  # noqa: E402

cjoblib.install_as_joblib()
