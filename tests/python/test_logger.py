"""Durations, pretty-printing, the logger, the stop-watch."""

from __future__ import annotations

import importlib
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cjoblib.logger import (
    Logger,
    PrintTime,
    format_time,
    pformat,
    short_format_time,
)

theirs: Any = importlib.import_module("joblib.logger")


@pytest.mark.parametrize("t", [0, 0.04, 0.05, 1, 12.345, 60, 60.1, 3600, 1e6, -1])
def test_durations_read_as_in_joblib(t: float) -> None:
    assert format_time(t) == theirs.format_time(t)
    assert short_format_time(t) == theirs.short_format_time(t)


@pytest.mark.parametrize(
    "value", [1, "text" * 50, [[[[1]]]], {"a": list(range(60))}, np.arange(100) / 3]
)
def test_pretty_printing_is_that_of_joblib(value: object) -> None:
    before = np.get_printoptions()
    assert pformat(value) == theirs.pformat(value)
    assert pformat(value, 2, 1) == theirs.pformat(value, 2, 1)
    assert np.get_printoptions() == before


class Named(Logger):
    def __repr__(self) -> str:
        return "Named"


@pytest.mark.parametrize("name", [None, "other"])
def test_messages_go_to_the_logger(
    name: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    logger = Named(name=name)
    caplog.set_level(logging.DEBUG, logger=name or "cjoblib")
    for level in ("debug", "info", "warn", "error"):
        getattr(logger, level)("a %s message")
    levels = [logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR]
    text = "[Named]: a %s message"
    assert caplog.record_tuples == [(name or "cjoblib", v, text) for v in levels]
    assert {record.filename for record in caplog.records} == {Path(__file__).name}


def test_logger_formats_to_its_depth_and_pickles() -> None:
    logger = pickle.loads(pickle.dumps(Logger(depth=1)))
    assert logger.format([[1]]) == "[[...]]"
    assert vars(logger) == vars(Logger(depth=1))


LINE = r"step: \d\.\ds, \d\.\dmin\n"


def test_stop_watch_prints_and_keeps_old_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in range(12):
        watch = PrintTime(logdir=str(tmp_path / "logs"))
        watch(f"run {n}")
    watch("all", total=True)
    printed = capsys.readouterr().err
    assert re.fullmatch(
        r"(run \d+: 0\.\ds, 0\.0min\n){12}all: .*s, 0\.0 min\n", printed
    )
    files = {f.name: f.read_text() for f in (tmp_path / "logs").iterdir()}
    assert sorted(files) == ["joblib.log", *(f"joblib.log.{n}" for n in range(1, 10))]
    assert "run 11" in files["joblib.log"]
    assert all(f"run {11 - n}:" in files[f"joblib.log.{n}"] for n in range(1, 10))


def test_stop_watch_works_without_a_log_and_with_one_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    PrintTime()("step")
    PrintTime(logfile="here.log")("step")
    (tmp_path / "folder.log").mkdir()
    PrintTime(logfile=str(tmp_path / "folder.log"))("step")
    assert re.fullmatch(LINE * 3, capsys.readouterr().err)
    assert (tmp_path / "here.log").exists()


def test_stop_watch_takes_one_place_for_its_log() -> None:
    with pytest.raises(ValueError, match="both logfile and logdir"):
        PrintTime(logfile="a", logdir="b")
