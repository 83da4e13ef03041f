"""Folders and sizes; versions and renames."""

from __future__ import annotations

import errno
import importlib
import itertools
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cjoblib import disk
from cjoblib.backports import LooseVersion, concurrency_safe_rename, make_memmap
from cjoblib.disk import (
    delete_folder,
    disk_used,
    memstr_to_bytes,
    mkdirp,
    rm_subdirs,
)

theirs: Any = importlib.import_module("joblib.disk")
backports: Any = importlib.import_module("joblib.backports")


def make_tree(root: Path) -> None:
    (root / "one" / "two").mkdir(parents=True)
    (root / "one" / "two" / "file").write_bytes(bytes(100_000))
    (root / "file").write_bytes(bytes(300_000))


def test_size_is_that_of_joblib(tmp_path: Path) -> None:
    make_tree(tmp_path)
    assert disk_used(tmp_path) == theirs.disk_used(str(tmp_path))
    assert 293 <= disk_used(tmp_path) < 330


@pytest.mark.parametrize("text", ["80G", "1.4M", "120M", "53K", "0K", "1e3K", "-1K"])
def test_sizes_are_read_as_by_joblib(text: str) -> None:
    assert memstr_to_bytes(text) == theirs.memstr_to_bytes(text)


@pytest.mark.parametrize("text", ["fooG", "1.4N", "", "G", "12", "1g", "infG", "nanG"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=rf"Invalid literal for size.*'{text}'"):
        memstr_to_bytes(text)


def test_folder_is_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        mkdirp(tmp_path / "ham" / "spam")
    assert (tmp_path / "ham" / "spam").is_dir()
    with pytest.raises(FileNotFoundError):
        mkdirp("")


def test_only_subfolders_go(tmp_path: Path) -> None:
    make_tree(tmp_path)
    outside = tmp_path / "file"
    inside = tmp_path / "one"
    (inside / "link").symlink_to(tmp_path)
    (inside / "file").touch()
    rm_subdirs(inside)
    assert [p.name for p in inside.iterdir()] == ["file"]
    assert outside.stat().st_size == 300_000


def test_missing_folder_is_reported_once(tmp_path: Path) -> None:
    calls: list[Any] = []
    delete_folder(tmp_path / "none")
    delete_folder(tmp_path / "none", onerror=lambda *args: calls.append(args))
    assert calls == []
    rm_subdirs(tmp_path / "none", onerror=lambda *args: calls.append(args))
    assert [(f, p, i[0]) for f, p, i in calls] == [
        (os.listdir, str(tmp_path / "none"), FileNotFoundError)
    ]
    with pytest.raises(FileNotFoundError):
        rm_subdirs(tmp_path / "none")


def test_errors_while_deleting_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EPERM, "no")

    calls: list[Any] = []
    monkeypatch.setattr(os, "unlink", refuse)
    delete_folder(tmp_path / "one", onerror=lambda *args: calls.append(args))
    assert {args[2][0] for args in calls} >= {PermissionError}
    with pytest.raises(PermissionError):
        delete_folder(tmp_path / "one")


def test_full_folder_is_kept_when_only_empty_ones_may_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(OSError, match="Expected empty folder"):
        delete_folder(tmp_path / "one", allow_non_empty=False)
    assert pauses == [disk.PAUSE_S] * (disk.ATTEMPTS - 1)
    assert (tmp_path / "one" / "two" / "file").exists()
    (tmp_path / "empty").mkdir()
    delete_folder(tmp_path / "empty", allow_non_empty=False)
    assert not (tmp_path / "empty").exists()


def test_deleting_waits_for_those_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)

    def other_one_finishes(seconds: float) -> None:
        (tmp_path / "one" / "two" / "file").unlink()
        (tmp_path / "one" / "two").rmdir()

    monkeypatch.setattr("time.sleep", other_one_finishes)
    delete_folder(tmp_path / "one", allow_non_empty=False)
    assert not (tmp_path / "one").exists()


def test_several_may_delete_one_folder(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def delete() -> None:
        try:
            delete_folder(tmp_path / "deep")
        except BaseException as error:
            errors.append(error)

    for _ in range(10):
        for a, b in itertools.product(range(10), range(10)):
            (tmp_path / "deep" / str(a) / str(b)).mkdir(parents=True)
        threads = [threading.Thread(target=delete) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not (tmp_path / "deep").exists()
    assert errors == []


VERSIONS = ["1", "1.0", "1.2", "1.10", "1.10.1", "1.10.1rc1", "2.0b", "0.22.dev0"]


def test_versions_compare_as_in_joblib() -> None:
    old = backports.LooseVersion
    for a, b in itertools.product(VERSIONS, VERSIONS):
        ours, others = LooseVersion(a), old(a)
        assert (ours < b, ours <= b, ours == b) == (
            others < b,
            others <= b,
            others == b,
        )
        assert (ours > b, ours >= LooseVersion(b)) == (others > b, others >= old(b))
    assert LooseVersion("1.2").version == old("1.2").version
    assert repr(LooseVersion("1.2")) == repr(old("1.2"))
    assert str(LooseVersion("1.2")) == "1.2"


def test_versions_of_words_and_numbers_compare() -> None:
    assert LooseVersion("1.0rc1") < "1.0.1"
    assert LooseVersion("1.0") != 1.0
    assert len({LooseVersion("1.0"), LooseVersion("1.0")}) == 1


def test_rename_replaces(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "source").write_text(text)
        concurrency_safe_rename(tmp_path / "source", tmp_path / "target")
        assert (tmp_path / "target").read_text() == text


def test_memmap_keeps_its_offset(tmp_path: Path) -> None:
    file = str(tmp_path / "map")
    array = make_memmap(file, shape=100, mode="w+", offset=5001)
    assert (array.offset, array.dtype, array.shape) == (5001, np.uint8, (100,))
