"""``run.json``: the record of a run, as its fields are called and typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from harness.errors import DataError
from harness.files import read_json

FILE = "run.json"


class RunRecord(TypedDict, total=False):
    """The fields that readers rely on; a store may add others.

    ``name`` is the run's path below the store's root, ``spec`` everything that decides what it computes (``RunSpec``),
    ``code`` commit and version, ``environment`` machine and packages, ``results`` timings and what training selected,
    ``reason`` why it is not finished. Times are ISO 8601 in UTC.
    """

    name: str
    identity: str
    spec: dict[str, Any]
    status: str
    reason: str | None
    created: str
    started: str
    finished: str
    process: dict[str, Any] | None
    code: dict[str, Any]
    environment: dict[str, Any]
    results: dict[str, Any]


_NEEDED = ("name", "identity", "spec", "status")


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file.

    Raises:
        DataError: the file is no record of a run.
    """
    content = read_json(path)
    missing = [name for name in _NEEDED if not isinstance(content, dict) or name not in content]
    if missing:
        raise DataError(f"{path} is no record of a run: it has no {missing[0]}; remove its folder and run it again.")
    record: dict[str, Any] = content
    return record
