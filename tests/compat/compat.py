#!/usr/bin/env python3
"""Tests of others, run on cjoblib under the name of joblib.

    compat.py joblib [FILE ...]     joblib's own suite, or some of its files: `hashing memory`
    compat.py sklearn [MODULE ...]  scikit-learn's tests of what uses joblib
    compat.py short                 the part of joblib's suite that takes little time

joblib's suite is fetched from PyPI into .build/compat and kept nowhere else. What is left
out is named in joblib_exclude.txt and sklearn_exclude.txt, each with its reason. The last
line has the figures; the exit code is 0 when nothing failed that isn't excluded.

    --on joblib     the same tests on joblib itself, to compare with
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / ".build" / "compat"
JOBLIB = "1.6.0"
SKLEARN = ["scikit-learn==1.9.1", "scipy", "pandas", "threadpoolctl", "cloudpickle>=3.0",
           "pytest>=8", "pytest-timeout>=2.3"]  # fmt: skip
SHORT = ["backports", "cloudpickle_wrapper", "disk", "func_inspect", "hashing", "init",
         "logger", "missing_multiprocessing", "module", "numpy_pickle",
         "numpy_pickle_compat", "numpy_pickle_utils", "testing", "utils"]  # fmt: skip
TEST_S, FILE_S = 120, 1800  # at most, for one test and for one file


def joblib_source():
    """The folder of joblib's source archive."""
    home = BUILD / f"joblib-{JOBLIB}"
    if not home.exists():
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder,
                 "--no-binary", "joblib", f"joblib=={JOBLIB}"], check=True)  # fmt: skip
            with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
                archive.extractall(folder)
            (Path(folder) / home.name).rename(home)
    return home


def sklearn_python():
    """An interpreter that has scikit-learn, and cjoblib by a link to the built package."""
    home = BUILD / "sklearn"
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *SKLEARN], check=True)
        (home / "ready").touch()
    import cjoblib

    link = BUILD / "site" / "cjoblib"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(Path(cjoblib.__file__).parent)
    return python


def read_list(name):
    """The lines of a file in this folder, without comments: (first part, the rest)."""
    lines = (HERE / name).read_text().splitlines()
    kept = [line.partition("  ") for line in lines if line and not line.startswith("#")]
    return [(item.strip(), rest.strip()) for item, _, rest in kept]


def exclusions(name):
    """Patterns of test ids. A reason is obligatory."""
    rules = read_list(name)
    for test, reason in rules:
        if not reason:
            raise SystemExit(f"{name}: {test}: a reason is missing")
    return [test.replace("[", "[[]") for test, _ in rules]


def environment(target, rules, news, **more):
    drop = ("PYTEST", "PYTHON", "JOBLIB", "CJOBLIB", "LOKY", "COMPAT")
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(drop) and not k.endswith("_NUM_THREADS")}  # fmt: skip
    path = [HERE, BUILD / "site"]
    if target == "cjoblib":
        path.insert(0, HERE / "inside")
    env["PYTHONPATH"] = os.pathsep.join(map(str, path))
    return {**env, "PYTHONDONTWRITEBYTECODE": "1", "COMPAT_TARGET": target,
            "COMPAT_EXCLUDED": json.dumps(rules), "COMPAT_NEWS": str(news), **more}  # fmt: skip


def run(python, what, options, env, log):
    """Run pytest once: {test id: passed, failed, skipped, excluded, crashed}."""
    news = Path(env["COMPAT_NEWS"])
    news.write_text("")
    command = [python, "-m", "pytest", "-q", "-p", "compat_plugin", "-p", "no:cacheprovider",
               "--no-header", "--tb=short", "-c", os.devnull, f"--timeout={TEST_S}",
               *options, *what]  # fmt: skip
    try:
        done = subprocess.run(
            list(map(str, command)),
            env=env,
            cwd=BUILD,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FILE_S,
        )
        log.write(done.stdout)
    except subprocess.TimeoutExpired as error:
        log.write(error.output or b"")
    results = {}
    for line in news.read_text().splitlines():
        kind, test = json.loads(line)
        if kind != "collected" or results.get(test) != "failed":
            results[test] = kind
    crashed = {test: "crashed" for test, kind in results.items() if kind == "collected"}
    return {**results, **crashed} or {f"{what[0]}": "crashed"}


def report(name, target, results, seconds):
    """Print what failed, and the figures; returns the exit code."""
    for test, kind in results.items():
        if kind in ("failed", "crashed"):
            print(f"{kind:8} {test}")
    n = Counter(results.values())
    n_run = sum(n.values()) - n["excluded"] - n["skipped"]
    print(
        f"{name} on {target}: {n['passed']} of {n_run} tests passed, {n['skipped']} skipped, "
        f"{n['excluded']} excluded, {seconds:.0f} s",
        flush=True,
    )
    return int(n["passed"] < n_run or n_run == 0)


def in_processes(folder, files, each_alone):
    """The paths of the files, as one list for each process that is to run them."""
    paths = [folder / f"test_{file}.py" for file in files]
    for path in paths:
        if not path.exists():
            raise SystemExit(f"joblib {JOBLIB} has no {path.name}")
    return [[path] for path in paths] if each_alone else [paths]


def joblib_suite(files, target, name="joblib"):
    source = joblib_source()
    folder = source / "joblib" / "test"
    if not files:
        files = sorted(p.stem.removeprefix("test_") for p in folder.glob("test_*.py"))
    options = ["-p", "no:doctest", f"--rootdir={folder}", f"--confcutdir={folder}"]
    rules = exclusions("joblib_exclude.txt") if target == "cjoblib" else []
    results, begun = {}, time.monotonic()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        env = environment(target, rules, Path(scratch) / "news",
                          COMPAT_SUITE=str(source / "joblib"))  # fmt: skip
        with open(BUILD / f"{name}-{target}.log", "wb") as log:
            for paths in in_processes(folder, files, name == "joblib"):
                results.update(run(sys.executable, paths, options, env, log))
    return report(name, target, results, time.monotonic() - begun)


def sklearn_suite(modules, target):
    python = sklearn_python()
    modules = modules or [name for name, _ in read_list("sklearn_modules.txt")]
    rules = exclusions("sklearn_exclude.txt")
    results, begun = {}, time.monotonic()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        env = environment(target, rules, Path(scratch) / "news")
        with open(BUILD / f"sklearn-{target}.log", "wb") as log:
            for module in modules:
                results.update(run(python, ["--pyargs", module], [], env, log))
    return report("scikit-learn", target, results, time.monotonic() - begun)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", choices=["joblib", "sklearn", "short"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--on", choices=["cjoblib", "joblib"], default="cjoblib")
    given = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    if given.suite == "sklearn":
        return sklearn_suite(given.names, given.on)
    files = SHORT if given.suite == "short" else given.names
    name = "joblib-short" if given.suite == "short" else "joblib"
    return joblib_suite(files, given.on, name)


if __name__ == "__main__":
    sys.exit(main())
