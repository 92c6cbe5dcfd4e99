"""Errors that a user can act on: one plain sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
from collections.abc import Iterable, Iterator

_LONGEST = 1800
"""Letters of a sentence: a list of all valid names is shorter."""


class BenchError(Exception):
    """Base of every error that the command line prints as one sentence, without a traceback."""

    exit_code = 2

    def __init__(self, sentence: object = "") -> None:
        text = in_one_line(str(sentence))
        # A file may hold a name of thousands of letters; nobody reads on, and the cure stands at the end.
        super().__init__(text if len(text) <= _LONGEST else f"{text[:1200]} ... {text[-400:]}")


class ConfigError(BenchError):
    """An unknown or contradictory option, name or config value."""


class DataError(BenchError):
    """A dataset root, file or cache that is missing, damaged or not what it claims to be."""


class TrainingError(BenchError):
    """Training that cannot go on: a non-finite loss, a damaged checkpoint."""

    exit_code = 3


class DiskFullError(BenchError):
    """No room for what was to be written: nothing further can succeed, so that a suite stops."""


def in_one_line(text: str) -> str:
    r"""Text without line breaks and without characters that steer a terminal: names and reasons come from data.

    >>> in_one_line("Unknown key 'a\x1b[2Jb'\r\n. Valid: c")
    "Unknown key 'a\\x1b[2Jb' . Valid: c"
    """
    # Also what turns the direction of writing (U+202E), which would show a name as another one.
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode()
        for letter in re.sub(r"\s*[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]\s*", " ", text)
    )


class NoMemoryError(BenchError):
    """Memory was asked for and not there: that says nothing about the file that was being read."""


@contextlib.contextmanager
def decoding(path: object, what: str, cure: str) -> Iterator[None]:
    """Inside, whatever a decoder raises on damaged bytes becomes a ``DataError``: ``<path> <what> (<reason>); <cure>.``

    Decoders raise what they happen to meet (TokenError, struct.error, AttributeError): a list of it is never complete. Errors
    of the disk and sentences of our own pass; want of memory is a ``NoMemoryError`` and no damage. Whoever reads a file that
    claims a size compares it with the bytes that are there, before memory is taken for it.

    >>> with decoding("a.npy", "is damaged", "write it again"):
    ...     raise AttributeError("no such thing")
    Traceback (most recent call last):
    harness.errors.DataError: a.npy is damaged (no such thing); write it again.
    """
    try:
        yield
    except BenchError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (*_CAUSES, *_FULL):
            raise
        if is_out_of_memory(error):
            # Told as damage, a sound file would be thrown away because the machine was busy.
            raise NoMemoryError(
                f"The memory ran out while reading {path}; close other programs, or use a machine with more memory."
            ) from error
        reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise DataError(f"{path} {what} ({reason}); {cure}.") from error


def without_secrets(text: str) -> str:
    """Text in which no URL has its password any more.

    >>> without_secrets("--storage postgresql://alice:S3cret@db/study?password=S3cret")
    '--storage postgresql://alice:***@db/study?password=***'
    """
    # Up to the last @: a password may hold one, a host may not.
    text = re.sub(r"(\b[\w+.-]+://[^\s:/@'\"]*):[^\s'\"]*@", r"\1:***@", text)
    return re.sub(r"(?i)\b(password|passwd|pwd|token|secret)=[^\s&;'\"]+", r"\1=***", text)


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest valid name, or ``""`` when none is close."""
    name = str(name)
    lowered = {candidate.lower(): candidate for candidate in valid}
    # Half alike is near enough for a slip of the keyboard; below it the guess only confuses.
    matches = difflib.get_close_matches(name.lower(), list(lowered), n=1, cutoff=0.5)
    return f" Did you mean '{lowered[matches[0]]}'?" if matches else ""


def unknown(kind: str, name: str, valid: Iterable[str], where: str = "", elsewhere: Iterable[str] = ()) -> ConfigError:
    """Build the error for an unknown ``kind`` (model, dataset, option ...) called ``name``.

    Args:
        kind, name, where: what is unknown, and where it stands.
        valid: names that are listed, and searched for the nearest one.
        elsewhere: further names that are searched but not listed.
    """
    names = sorted(valid)
    place = f" in {where}" if where else ""
    listing = ", ".join(names) if names else "none"
    return ConfigError(f"Unknown {kind} '{name}'{place}.{nearest(name, [*names, *elsewhere])} Valid: {listing}.")


_FULL = (errno.ENOSPC, errno.EDQUOT)
_CAUSES = {
    errno.EROFS: "{place} lies on a file system that can only be read; choose another folder, or mount it writable",
    errno.EACCES: "{place} may not be used by this user; change its permissions or choose another place",
    errno.EPERM: "{place} may not be used by this user; change its permissions or choose another place",
    errno.ENOTDIR: "{place} cannot be reached, because a part of this path is a file and no folder; correct the path",
    errno.EISDIR: "{place} is a folder where a file is needed; correct the path",
    errno.EEXIST: "{place} exists already and is not what is needed here; remove it or choose another place",
    errno.ENOTEMPTY: "{place} is a folder that is not empty; remove it or choose another place",
    errno.ENOENT: "{place} does not exist; correct the path",
    errno.ENAMETOOLONG: "{place} is longer than the file system allows; choose a shorter name",
    errno.ELOOP: "{place} is a chain of links that leads nowhere; correct the path",
    errno.EMFILE: "Too many files are open at once ({place}); raise the limit with `ulimit -n`",
    errno.ENFILE: "Too many files are open on this machine ({place}); close some programs",
    errno.EFBIG: "{place} would be larger than this file system or user may have; choose another place",
    errno.EIO: "The disk reported an error at {place}; check the disk, then run the same command again",
    errno.ESTALE: "The file server no longer knows {place}; mount it again, then run the same command again",
    errno.ETIMEDOUT: "{place} does not answer; see to it, then run the same command again",
    errno.ENOMEM: "The system had no memory left ({place}); close other programs, then run the same command again",
}


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that it was raised from or while handling, the outermost first."""
    # Errors can refer to each other in a circle (raise ... from an error that is being handled).
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        item = waiting.pop()
        if item is not None and id(item) not in seen:
            seen.add(id(item))
            yield item
            waiting += [item.__context__, item.__cause__]


def unmasked(error: BaseException) -> BaseException:
    """What really happened where a library raised an error of its own over it.

    torch.save, whose stream fails or is interrupted, raises ``RuntimeError: unexpected pos 596480 vs 596372``.
    """
    hidden = list(chain(error))
    # Ctrl-C first: an interrupted write may also fail, and that is not what the user did.
    for kind in (KeyboardInterrupt, DiskFullError, NoMemoryError, MemoryError):
        if masked := next((item for item in hidden if isinstance(item, kind)), None):
            return masked
    return next((item for item in hidden if isinstance(item, OSError) and item.errno in _FULL), error)


def explained(error: BaseException) -> BenchError | None:
    """The sentence for an error that any program can meet (disk, permissions, memory); None for a mistake of this one."""
    error = unmasked(error)
    if isinstance(error, BenchError):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFullError(f"The disk is full ({_place(error)}); free some space and run the same command again.")
    if isinstance(error, FileNotFoundError) and _nowhere():
        return BenchError(
            "The current folder is no longer there, so that no relative path can be found; change to another one and run the same "
            "command again."
        )
    if isinstance(error, OSError) and error.errno in _CAUSES:
        sentence = _CAUSES[error.errno].format(place=_place(error))
        return BenchError(f"{sentence} ({error.strerror}).")
    if is_out_of_memory(error):
        return NoMemoryError(
            "The memory ran out; choose a smaller batch_size, image_size or model, or a machine with more memory."
        )
    return None


def _nowhere() -> bool:
    """Whether the current folder was removed: every relative path is then missing, and none of them is wrong."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for and not there; torch has a class for CUDA alone, OpenCV an error for everything.

    >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    True
    """
    words = ("can't allocate memory", "Insufficient memory")
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(word in str(error) for word in words)
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 400 else f"{name[:200]}...{name[-100:]}"


def _place(error: OSError) -> str:
    # A name that is too long for the file system is too long for a sentence as well.
    names = [_shortened(str(name)) for name in (error.filename, error.filename2) if name is not None]
    return " and ".join(names) or "a file that the system does not name"
