"""``run.json``: the record of a run.

``name`` is the run's path below the store's root, ``identity`` and ``spec`` say what it computes (``RunSpec``), ``status`` how
far it is and ``reason`` why it is not finished, ``code`` holds commit and version, ``environment`` machine and packages,
``results`` timings and what training selected. Times (``created``, ``started``, ``finished``) are ISO 8601 in UTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.errors import DataError
from harness.files import is_inside, read_json
from harness.store.spec import RunSpec

FILE = "run.json"


_NEEDED = ("name", "identity", "spec", "status")
_STATUSES = ("new", "running", "interrupted", "failed", "finished")


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file.

    Raises:
        DataError: the file is no record of a run, or says something else than it was written with: its name and identity
            follow from its spec.
    """
    content = read_json(path)
    if problem := _problem(content):
        raise DataError(f"{path} is no record of a run: {problem}; remove its folder and run it again.")
    record: dict[str, Any] = content
    return record


def _problem(content: Any) -> str | None:
    """What keeps a file's content from being a record; None where nothing does."""
    for name in _NEEDED:
        if not isinstance(content, dict) or name not in content:
            return f"it has no {name}"
    if content["status"] not in _STATUSES:
        return f"its status is {content['status']!r}"
    if not isinstance(content.get("results", {}), dict) or not isinstance(content.get("reason"), str | None):
        return "its results or its reason are of another kind"
    try:
        spec = RunSpec(**content["spec"])
        # Computed again, not compared with itself: a record whose recipe was edited by hand no longer has its name.
        agrees = (spec.identity, spec.folder) == (content["identity"], content["name"])
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        return f"its spec cannot be read ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    # The name becomes a path, and the spec decides what is built and scored: neither is taken on trust.
    return None if agrees and is_inside(content["name"]) else "its spec is not the one that its name stands for"
