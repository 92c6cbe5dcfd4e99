"""Where a study is kept: SQLite, a journal file or PostgreSQL, and the lock under which its queue is touched."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend

from harness.errors import BenchError, ConfigError, without_secrets
from harness.files import canonical_hash, file_lock

STORAGE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, OSError)
"""What a storage raises that cannot be reached, written or read."""
MAX_RETRY = 3
"""How often a trial whose worker died is queued again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StorageAddress:
    """A storage by URL, and how soon a silent worker counts as dead.

    Attributes:
        url: ``sqlite:///PATH``, ``journal:PATH`` or ``postgresql://USER@HOST/DATABASE``.
        heartbeat_s: seconds between two signs of life of a running trial.
        grace_s: a trial without a sign of life for so long is taken up by another worker. (On the host of the dead
            worker it is taken up at once, whatever the storage.)
    """

    url: str = field(repr=False)
    heartbeat_s: int = 30
    grace_s: int = 120

    @property
    def file(self) -> Path | None:
        """The file of a local storage; None for a server."""
        for prefix in ("sqlite:///", "journal:"):
            if self.url.startswith(prefix):
                return Path(self.url.removeprefix(prefix))
        return None


def storage_address(url: str | None, default: Path) -> StorageAddress:
    """Resolve ``--storage``: a URL, the path of a ``.db`` or ``.journal`` file, or None for SQLite at ``default``.

    Raises:
        ConfigError: a kind of storage for which exclusive claims are not assured.
    """
    if url is None:
        return StorageAddress(url=f"sqlite:///{default}")
    if url.startswith(("sqlite:///", "journal:", "postgresql://", "postgresql+")):
        _check_url(url)
        return StorageAddress(url=url)
    if "://" not in url and url.endswith((".db", ".sqlite")):
        return StorageAddress(url=f"sqlite:///{url}")
    if "://" not in url and url.endswith(".journal"):
        return StorageAddress(url=f"journal:{url}")
    raise ConfigError(
        f"The storage '{_shown(url)}' is not known; give a path ending in .db or .journal, sqlite:///PATH, journal:PATH or "
        "postgresql://USER@HOST/DATABASE."
    )


def _check_url(url: str) -> None:
    try:
        if not url.startswith("journal:"):
            sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        reason = without_secrets(str(error).splitlines()[0]).rstrip(".")
        raise ConfigError(
            f"The storage {_shown(url)} is no address of a database ({reason}); write postgresql://USER@HOST/DATABASE."
        ) from error


def open_storage(where: StorageAddress) -> BaseStorage:
    """Connect; folder, file and tables are made where they are missing.

    Raises:
        BenchError: the server does not answer or its driver is not installed.
    """
    try:
        if where.file is not None:
            where.file.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings(), _creation_lock(where):
            # Heartbeats are experimental in Optuna and warn at every start.
            warnings.simplefilter("ignore", ExperimentalWarning)
            if where.url.startswith("journal:"):
                return JournalStorage(JournalFileBackend(str(where.file)))
            return RDBStorage(
                _with_driver(where.url),
                heartbeat_interval=where.heartbeat_s,
                grace_period=where.grace_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRY),
                # SQLite lets one writer in at a time, and the driver's five seconds are short for many workers.
                engine_kwargs={"connect_args": {"timeout": 60}} if where.url.startswith("sqlite") else None,
            )
    except ImportError as error:
        raise BenchError(
            f"The storage {_shown(where.url)} needs a driver: pip install psycopg2-binary (or echobench[postgresql])."
        ) from error
    except ValueError as error:
        raise _no_journal(where) from error
    except STORAGE_ERRORS as error:
        raise storage_error(where, error) from error


def open_study(where: StorageAddress, storage: BaseStorage, name: str) -> optuna.Study:
    """The study of this name, made where it is missing; its objective is maximised."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("sqlalchemy").setLevel(logging.ERROR)
    try:
        with exclusive(where, storage, name):
            return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    except ValueError as error:
        raise _no_journal(where) from error
    except STORAGE_ERRORS as error:
        raise storage_error(where, error) from error


def _no_journal(where: StorageAddress) -> BenchError:
    return BenchError(f"The storage {_shown(where.url)} cannot be used: it is no journal of Optuna.")


def storage_error(where: StorageAddress, error: BaseException) -> BenchError:
    """One sentence about a storage that cannot be opened or no longer answers."""
    cause: BaseException = error
    # Optuna wraps SQLAlchemy's error, which wraps the driver's: only that says what is wrong.
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return BenchError(
        f"The storage {_shown(where.url)} cannot be used: "
        f"{without_secrets(reason[0]) if reason else type(cause).__name__}"
    )


@contextlib.contextmanager
def exclusive(where: StorageAddress, storage: BaseStorage, name: str) -> Iterator[None]:
    """Only one process at a time is inside, for one study: whoever dies inside leaves it open.

    A lock on a neighbour file for local storages (SQLite knows no row locks), an advisory lock of the server for
    PostgreSQL. Not re-entrant.
    """
    if where.file is not None:
        with file_lock(_guard(where.file)):
            yield
        return
    assert isinstance(storage, RDBStorage)
    with _advisory_lock(storage.engine, name):
        yield


@contextlib.contextmanager
def _advisory_lock(engine: sqlalchemy.Engine, name: str) -> Iterator[None]:
    # An advisory lock of PostgreSQL is a signed 64-bit number: 15 hex digits fit.
    key = int(canonical_hash(name, length=15), 16)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT pg_advisory_lock(:key)"), {"key": key})
        try:
            yield
        finally:
            connection.execute(sqlalchemy.text("SELECT pg_advisory_unlock(:key)"), {"key": key})
            connection.commit()


@contextlib.contextmanager
def _creation_lock(where: StorageAddress) -> Iterator[None]:
    """Two processes must not make the tables of one file, or of one database, at the same time: the second finds them half made."""
    if where.file is not None:
        with file_lock(_guard(where.file)):
            yield
        return
    # There is no storage yet whose connection could be used, so that this one is made for the moment and closed.
    engine = sqlalchemy.create_engine(_with_driver(where.url), poolclass=sqlalchemy.pool.NullPool)
    with _advisory_lock(engine, "tables of Optuna"):
        yield


def _guard(file: Path) -> Path:
    """The lock file beside a storage (``<file>.lock`` is the journal's own)."""
    return file.with_name(f"{file.name}.guard")


def _with_driver(url: str) -> str:
    """``postgresql://`` with the driver that is installed (SQLAlchemy's own choice differs between its versions)."""
    if not url.startswith("postgresql://"):
        return url
    known = (name for name in ("psycopg2", "psycopg") if importlib.util.find_spec(name) is not None)
    driver = next(known, "psycopg2")
    return url.replace("postgresql://", f"postgresql+{driver}://", 1)


def _shown(url: str) -> str:
    """The URL without its password."""
    try:
        return without_secrets(sqlalchemy.engine.make_url(url).render_as_string(hide_password=True))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return without_secrets(url)
