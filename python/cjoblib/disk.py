"""Folders and sizes on disk."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["delete_folder", "disk_used", "memstr_to_bytes", "mkdirp", "rm_subdirs"]

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
OnError = Callable[[Callable[..., Any], str, Any], object]

UNITS = {"K": 1024, "M": 1024**2, "G": 1024**3}
ATTEMPTS = 11
PAUSE_S = 0.1
# Somebody is at work in the folder, and may soon be done.
IN_USE = (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY)


def disk_used(path: str | os.PathLike[str]) -> int:
    """Return the space that a folder and the files right inside it take, in KiB.

    What lies deeper is not counted; files that vanish meanwhile are not either.
    """
    blocks = os.stat(path).st_blocks
    with os.scandir(path) as entries:
        for entry in entries:
            try:
                blocks += os.stat(entry.path).st_blocks
            except FileNotFoundError:
                continue
    return blocks * 512 // 1024


def memstr_to_bytes(text: str) -> int:
    """Return the number of bytes that a text such as `10G`, `1.5M` or `50K` stands for.

    Raises
    ------
    ValueError
        If the text is not a number followed by K, M or G.
    """
    try:
        return int(UNITS[text[-1:]] * float(text[:-1]))
    except (KeyError, ValueError, OverflowError, TypeError) as error:
        raise ValueError(
            f"Invalid literal for size given: {text!r} ({type(text).__name__}) should "
            "be alike '10G', '500M', '50K'."
        ) from error


def mkdirp(d: str | os.PathLike[str]) -> None:
    """Make sure that the folder `d` exists, with its parents.

    Raises
    ------
    OSError
        If it cannot be made, or is a file.
    """
    os.makedirs(d, exist_ok=True)


def rm_subdirs(path: str | os.PathLike[str], onerror: OnError | None = None) -> None:
    """Delete the folders inside `path`, and keep `path` and the files right inside it.

    Parameters
    ----------
    path : path
        The folder to clear.
    onerror : callable, optional
        Called as `onerror(function, path, exc_info)` for each failure, which is then
        passed over, as `shutil.rmtree` does.

    Raises
    ------
    OSError
        If something cannot be deleted and there is no `onerror`.
    """
    try:
        names = os.listdir(path)
    except OSError:
        if onerror is None:
            raise
        onerror(os.listdir, os.fspath(path), sys.exc_info())
        return
    for name in names:
        delete_folder(os.path.join(path, name), onerror=onerror)


def delete_folder(
    folder_path: str | os.PathLike[str],
    onerror: OnError | None = None,
    allow_non_empty: bool = True,
) -> None:
    """Delete a folder and what is in it, if it exists; a file is left alone.

    Of a link to a folder the link is deleted, never what it points to. While others
    still put files into the folder, or take them out, deleting is tried again for a
    second.

    Parameters
    ----------
    folder_path : path
        The folder.
    onerror : callable, optional
        As for `rm_subdirs`.
    allow_non_empty : bool
        Whether files in it may be deleted too.

    Raises
    ------
    OSError
        If it cannot be deleted and there is no `onerror`, or if it stays non-empty
        against `allow_non_empty`.
    """
    path = os.fspath(folder_path)
    if onerror is not None:
        _delete_tree(path, onerror)
        return
    delete = _delete_tree if allow_non_empty else _delete_empty
    for attempt in range(1, ATTEMPTS + 1):
        try:
            delete(path)
        except FileNotFoundError:
            continue  # somebody else deletes it too
        except OSError as error:
            if attempt == ATTEMPTS or error.errno not in IN_USE:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _delete_tree(path: str, onerror: OnError | None = None) -> None:
    if not os.path.isdir(path):
        return
    if os.path.islink(path):
        os.unlink(path)
        return
    import shutil

    if onerror is None:
        shutil.rmtree(path)
    elif sys.version_info >= (3, 12):
        report = onerror
        shutil.rmtree(path, onexc=lambda f, p, e: report(f, p, _exc_info(e)))
    else:
        shutil.rmtree(path, onerror=onerror)


def _delete_empty(path: str) -> None:
    if os.path.isdir(path):
        n_files = len(os.listdir(path))
        if n_files > 0:
            text = f"Expected empty folder {path} but got {n_files} files."
            raise OSError(errno.ENOTEMPTY, text)
        os.rmdir(path)


def _exc_info(error: BaseException) -> _ExcInfo:
    return type(error), error, error.__traceback__
