"""One way for all random tests: the same cases in each run, unless a seed asks for others."""

import os
import signal

from hypothesis import settings

settings.register_profile(
    "cjoblib",
    deadline=None,
    database=None,
    derandomize="CJOBLIB_SEED" not in os.environ,
    print_blob=True,
)
settings.load_profile("cjoblib")

# What is started in the background of a shell script ignores Ctrl-C, and so would all
# programs that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
