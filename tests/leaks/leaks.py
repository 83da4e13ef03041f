"""What is left behind when a piece of work is done again: python3-dbg leaks.py [NAME...]

The `-R 3:3` rule of CPython's own tests, on a debug Python: after three rounds that may
fill caches, three more must add no reference, no descriptor, and no more memory blocks than
a chance resizing. RELIABILITY.md: L01.
"""

import array
import gc
import inspect
import os
import re
import sys
import tempfile
import warnings

import workloads

N_WARM, N_COUNTED = 3, 3
#: Blocks that may come and go; a leak is at least one in each round.
BLOCKS_NOISE = 8


def forget():
    """Drop what the standard library and the interpreter keep to be faster."""
    re.purge()
    for registry in list(sys.modules.values()):
        getattr(registry, "__warningregistry__", {}).clear()
    warnings._filters_mutated()
    sys._clear_type_cache()
    for _ in range(3):
        gc.collect()


def count():
    """References, memory blocks, open descriptors."""
    forget()
    n_fds = len(os.listdir("/proc/self/fd"))
    return sys.gettotalrefcount(), sys.getallocatedblocks(), n_fds


def grown(run):
    """For each counted round, by how much each of the three counts grew."""
    # No objects: what is written down must not be counted.
    counts = array.array("q", bytes(8 * 3 * (N_COUNTED + 1)))
    for _ in range(N_WARM - 1):
        run()
        count()
    for i in range(N_COUNTED + 1):
        run()
        counts[3 * i], counts[3 * i + 1], counts[3 * i + 2] = count()
    after, before = counts[3:], counts[:-3]
    return [
        tuple(after[i + j] - before[i + j] for j in range(3))
        for i in range(0, 3 * N_COUNTED, 3)
    ]


def leaks(growth, only_blocks):
    """Which of the counts say that each round leaves something, or takes too much away."""
    refs, blocks, fds = zip(*growth)
    found = []
    if 0 not in refs and not only_blocks:
        found.append("references")
    if min(blocks) > 0 and sum(blocks) > BLOCKS_NOISE:
        found.append("blocks")
    if 0 not in fds:
        found.append("descriptors")
    return found


def check(name):
    function = workloads.WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        wanted = [folder] * len(inspect.signature(function).parameters)
        prepared = function(*wanted)
        growth = grown(next(prepared))
        prepared.close()
    found = leaks(growth, name in workloads.ONLY_BLOCKS)
    print(
        f"{name:18} {growth} {'LEAKS ' + ', '.join(found) if found else ''}", flush=True
    )
    return not found


def main():
    if not hasattr(sys, "gettotalrefcount"):
        sys.exit("leaks.py: needs a debug Python (python3-dbg)")
    names = sys.argv[1:] or list(workloads.WORKLOADS)
    unknown = [name for name in names if name not in workloads.WORKLOADS]
    if unknown:
        known = ", ".join(workloads.WORKLOADS)
        sys.exit(f"leaks.py: no workload is called {', '.join(unknown)}: {known}")
    print("each round's growth in references, blocks, descriptors")
    good = [check(name) for name in names]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
