"""Who may include whom: the arrows of doc/architecture.md, never reversed."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ALLOWED = {
    "base": set(),
    "sys": {"base"},
    "digest": {"sys", "base"},
    "codec": {"sys", "base"},
    "file": {"sys", "base"},
    "trace": {"file", "sys", "base"},
    "store": {"codec", "digest", "trace", "sys", "base"},
    "pool": {"trace", "sys", "base"},
    "cli": set(),
}


def includes(path):
    """What a file includes with quotes or angles, as written."""
    return re.findall(
        r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), flags=re.M
    )


def own_includes(path):
    """What a file includes with quotes: files of ours."""
    return re.findall(r'^\s*#\s*include\s*"([^"]+)"', path.read_text(), flags=re.M)


def sources(folder):
    return sorted(p for p in (ROOT / folder).rglob("*.[ch]"))


@pytest.mark.parametrize(
    "layer", sorted(p.name for p in (ROOT / "src").iterdir() if p.is_dir())
)
def test_layer_includes_only_what_is_below(layer):
    files = sources(f"src/{layer}")
    assert files
    for path in files:
        for name in own_includes(path):
            home = name.split("/")[0]
            if (ROOT / "src" / home).is_dir():
                assert home == layer or home in ALLOWED[layer], f"{path}: {name}"


def test_core_knows_no_python():
    for path in [*sources("src"), *sources("include")]:
        assert "Python.h" not in path.read_text(), path


def test_public_headers_stand_alone():
    for path in sources("include"):
        ours = [
            n
            for n in includes(path)
            if n.startswith("cjoblib/") or (ROOT / "src" / n).exists()
        ]
        assert all(n.startswith("cjoblib/") for n in ours), path


@pytest.mark.parametrize("folder", ["ext", "src/cli", "examples"])
def test_users_of_the_library_see_public_headers_only(folder):
    for path in sources(folder):
        for name in includes(path):
            own = (ROOT / folder / name).exists() or (path.parent / name).exists()
            assert own or not (ROOT / "src" / name).exists(), f"{path}: {name}"


def test_only_sys_calls_the_kernel():
    kernel = {
        "fcntl.h", "unistd.h", "sys/stat.h", "sys/mman.h", "sys/socket.h", "poll.h",
        "sys/epoll.h", "dirent.h", "spawn.h", "pthread.h", "sys/wait.h", "time.h",
    }  # fmt: skip
    # base/blob.c unmaps what sys/ mapped: the two are one owner.
    exempt = {"src/base/blob.c"}
    for path in sources("src"):
        name = str(path.relative_to(ROOT))
        if not name.startswith(("src/sys/", "src/cli/")) and name not in exempt:
            assert not kernel & set(includes(path)), path


def test_conditionals_only_where_platforms_differ():
    for path in [*sources("src"), *sources("ext")]:
        name = str(path.relative_to(ROOT))
        if (
            name.startswith(("src/base/", "src/sys/linux/", "src/digest/"))
            or path.name == "compat.h"
        ):
            continue
        guards = re.findall(
            r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*$", path.read_text(), flags=re.M
        )
        guards = [
            g.strip()
            for g in guards
            if not re.fullmatch(r"\s*#ifndef \w+_H", g) and "__cplusplus" not in g
        ]
        assert not guards, f"{path}: {guards}"
