"""Files that are replaced in one step, and errors that name the file."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import stat
import struct
from collections.abc import Iterator

from cjoblib.numpy_pickle_utils import ArrayDataError


@contextlib.contextmanager
def replacing(filename: str) -> Iterator[str]:
    """Give the name of an empty file that takes the place of `filename` at the end, or
    goes when there is an exception. What is no regular file is given as it is.

    Links are followed; the new file has the old one's mode and, if possible, owner.
    """
    target = os.path.realpath(filename)
    with naming_errors(filename):
        old = _stat_replaceable(target)
        is_other = old is not None and not stat.S_ISREG(old.st_mode)
        if is_other or filename.endswith(os.sep):
            yield filename
            return
        temporary = _create_beside(target, 0o666 if old is None else 0o600)
        try:
            yield temporary
            if old is not None:
                _make_alike(temporary, old)
            os.replace(temporary, target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError) and error.filename == temporary:
                error.filename = filename
            raise


def _stat_replaceable(target: str) -> os.stat_result | None:
    """What is at `target`, None for nothing; PermissionError when it is not ours to
    write, though the folder is."""
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    if not os.access(target, os.W_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), target)
    return found


def _create_beside(target: str, mode: int) -> str:
    """Make an empty file in the folder of `target`."""
    name = f".cjoblib-{os.urandom(8).hex()}.tmp"
    temporary = os.path.join(os.path.dirname(target), name)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    try:
        os.close(os.open(temporary, flags, mode))
    except PermissionError as error:
        why = f"{error.strerror}, the folder takes no new file to replace it"
        raise OSError(error.errno, why, target) from None
    except OSError as error:
        error.filename = target
        raise
    return temporary


def _make_alike(path: str, old: os.stat_result) -> None:
    """Give a file another's mode, and its owner if we may."""
    with contextlib.suppress(PermissionError):
        os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, stat.S_IMODE(old.st_mode))


@contextlib.contextmanager
def naming_errors(filename: str) -> Iterator[None]:
    """Let errors of the system name the file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = filename
        raise


@contextlib.contextmanager
def naming_damage(filename: str) -> Iterator[None]:
    """The same, and what unpickling a damaged file ends with."""
    with naming_errors(filename):
        try:
            yield
        except EOFError as error:
            why = error if error.args else "the file ends too early"
            raise EOFError(f"{filename}: {why}") from error
        except (IndexError, KeyError, struct.error) as error:
            if not _is_pickles_own(error):
                raise
            raise pickle.UnpicklingError(
                f"{filename}: damaged, cut off, or no pickle at all"
            ) from error
        except (pickle.UnpicklingError, ValueError, OverflowError) as error:
            if not _is_of_stream(error):
                raise
            raise type(error)(f"{filename}: {error}") from error


def _is_of_stream(error: BaseException) -> bool:
    """Whether a reader of the file raised it, not code of what is in the file."""
    if type(error) in (pickle.UnpicklingError, ArrayDataError):
        return True
    text = str(error)
    is_reader = " at byte " in text or text.startswith("it holds ")
    return type(error) in (ValueError, OverflowError) and is_reader


def _is_pickles_own(error: BaseException) -> bool:
    """Whether the unpickler itself raised it, not what it called."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_globals is vars(pickle)
