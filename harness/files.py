"""Writing and hashing files so that nothing half-written is ever read as whole."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from harness.errors import ConfigError, DataError, DiskFullError, unmasked

_fences: dict[Path, Callable[[], None]] = {}


@contextlib.contextmanager
def fenced(folder: Path, check: Callable[[], None]) -> Iterator[None]:
    """Inside the context every file below ``folder`` is committed only if ``check()`` does not raise.

    ``check`` is asked at the last moment, when the new content is complete and about to take its name: what was
    prepared by a process that has since lost its right to the folder is thrown away. One fence per folder.

    Raises:
        ValueError: the folder is fenced already.
    """
    # Resolved, so that a write through a link is seen to lie below.
    key = Path(folder).resolve()
    if key in _fences:
        raise ValueError(f"{key} is fenced already")
    _fences[key] = check
    try:
        yield
    finally:
        del _fences[key]


def check_fence(path: Path) -> None:
    """Ask the fences of all folders that ``path`` lies in; raises what they raise."""
    # Without a fence (nearly always) not even the path is resolved: this runs for every file that is written.
    if _fences:
        for folder in Path(path).resolve().parents:
            if folder in _fences:
                _fences[folder]()


def rename(source: Path, target: Path) -> None:
    """Give ``source`` the name ``target``, atomically, as far as the fences around ``target`` allow it."""
    check_fence(target)
    os.replace(source, target)
    sync_folder(target.parent)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of ``path`` for binary writing and rename it over ``path`` on success.

    The rename happens after an fsync; on any exception (Ctrl-C included) the temporary file is removed and
    ``path`` is left as it was. A full disk becomes a ``DiskFullError`` that names the place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    stream = _Stream(io.FileIO(descriptor, "wb"))
    # Held while it is written: what nobody holds was left by a process that was killed (leftovers.py).
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())
        check_fence(path)
        os.replace(name, path)
        sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        happened = unmasked(stream.first or error)
        if isinstance(happened, OSError) and happened.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"The disk is full while writing {path}; free some space and run the same command again."
            ) from error
        if isinstance(happened, OSError) and happened.filename is None:
            happened.filename = str(path)
        if happened is not error:
            raise happened from error
        raise


class _Stream(io.BufferedWriter):
    """Remembers the first error of a write: who writes (torch.save) may raise one of its own over it."""

    first: BaseException | None = None

    def write(self, content: Any, /) -> int:
        """As its base."""
        try:
            return super().write(content)
        except BaseException as error:
            self.first = self.first or error
            raise


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable: without it a power loss may undo what an ``fsync`` of the file alone promised.

    Where a file system knows no such thing (some network ones), nothing is done.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an advisory lock on ``path``; the system lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, atomically."""
    with atomic_file(path) as stream:
        stream.write(content)


def write_text(path: Path, content: str) -> None:
    """Replace ``path`` by UTF-8 ``content``, atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Replace ``path`` by ``content`` as indented JSON with sorted keys; NaN is refused."""
    write_text(path, json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")


def create_text(path: Path, content: str) -> bool:
    """Create ``path`` with UTF-8 ``content`` unless it exists; returns whether it was created.

    Exactly one of several processes (of several machines on a shared folder) creates it, and nobody sees half of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content.encode("utf-8"))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())
        created = _link(name, path)
        sync_folder(path.parent)
        return created
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _link(source: str, target: Path) -> bool:
    """Hard-link ``source`` to ``target`` unless that exists; where links are not known, copy under O_EXCL."""
    try:
        os.link(source, target)
    except FileExistsError:
        # NFS repeats a call whose answer was lost, and the repetition then fails: two names mean that it was ours.
        return os.stat(source).st_nlink == 2
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        try:
            descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(Path(source).read_bytes())
    return True


def read_json(path: Path) -> Any:
    """Read a JSON file; a damaged one raises ``DataError`` with its place."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    # Bytes that are no text, numbers of thousands of digits and nesting without end are damage as well.
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is not valid JSON ({reason}); remove it and run the command again.") from error


def read_json_lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The lines of a log that hold a JSON object, each with its object; none where there is no such file.

    What is no object is left out: a kill tears the last line, and whatever else stands there is nobody's log.
    """
    lines = []
    # Line by line: one byte that is no text must not cost the others.
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines() if Path(path).is_file() else []:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            lines.append((line, value))
    return lines


def is_inside(name: str) -> bool:
    """Whether a name from data, used as a path below a folder, stays in it: relative, without ``..``, printable.

    >>> [is_inside(name) for name in ("camus/unet-s0", "../x", "/etc/x", "a\\nb", "")]
    [True, False, False, False, False]
    """
    if not isinstance(name, str) or not name or not name.isprintable() or "\\" in name:
        return False
    parts = name.split("/")
    # 255 bytes are what file systems allow for one name.
    return (
        not name.startswith(("/", "~"))
        and not {"", ".", ".."} & set(parts)
        and all(len(part.encode()) < 256 for part in parts)
    )


def refuse_path(name: str, what: str) -> None:
    """Refuse a name that a user chose for a folder and that would be a path: found at once, not after the last training.

    Raises:
        ConfigError: it leads elsewhere, or has several parts; ``what`` is said to be called so.
    """
    if "/" in name or not is_inside(name):
        raise ConfigError(f"{what} {name!r} may not become a folder's name; use letters, digits, - and _.")


def inside(folder: Path, name: str, what: str) -> Path:
    """``folder / name``.

    Raises:
        DataError: the name would lead out of the folder; ``what`` is said to have it.
    """
    if not is_inside(name):
        raise DataError(
            f"{what} has the name {str(name)[:80]!r}, which may not become a path; use letters, digits, - and _."
        )
    return Path(folder) / name


def check_writable(folder: Path) -> None:
    """Raise the ``OSError`` of a folder that cannot be made or written into, hours before something has to be written there."""
    place = Path(folder)
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        # Permissions tell little (root, read-only mounts, /proc): only trying does.
        os.rmdir(tempfile.mkdtemp(prefix=".echobench-", dir=place))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


class PiecewiseReader(io.BufferedReader):
    """A binary stream of which nobody can ask for more memory than it has bytes.

    Python takes the memory for a single ``read`` before it knows what is there: a header of a damaged file may claim gigabytes.
    """

    PIECE = 1 << 20

    def read(self, size: int | None = -1, /) -> bytes:
        """As its base."""
        left = -1 if size is None else size
        if 0 <= left <= self.PIECE:
            return super().read(left)
        content = io.BytesIO()
        while left and (piece := super().read(self.PIECE if left < 0 else min(left, self.PIECE))):
            content.write(piece)
            left = left if left < 0 else left - len(piece)
        return content.getvalue()


def open_piecewise(path: Path, *, packed: bool = False) -> PiecewiseReader:
    """A file for reading; ``packed`` unpacks it as gzip."""
    # typeshed wants a raw stream; io.BufferedReader needs ``readinto`` alone, which a GzipFile has.
    return PiecewiseReader(cast("io.RawIOBase", gzip.open(path)) if packed else io.FileIO(path))


def refuse_pipe(path: Path, what: str) -> None:
    """Raise ``DataError`` for a pipe, a device or a socket: whoever reads one may wait, or read, without end."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{what} {path} is no regular file (a pipe, device or socket); give a file.")


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(stream)


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def canonical_hash(value: Any, length: int = 10) -> str:
    """Short hex hash of a JSON-able value, independent of key order."""
    # NaN is refused: it is not equal to itself, and JSON has none.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]
