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
_TEXTS = (("model", "name"), ("model", "size"), ("data", "dataset"))
_TEXTS_OR_NONE = (
    ("model", "label"),
    ("data", "mark"),
    ("data", "fingerprint"),
    ("data", "clip"),
    ("protocol", "first_frame"),
)
_SECTIONS = ("model", "data", "recipe", "protocol")
"""Parts of a spec, and what of them every list, label and report reads."""
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


def shape_problem(content: Any) -> str | None:
    """What keeps a value from having the fields of a record, each of its kind; None where nothing does."""
    for name in _NEEDED:
        if not isinstance(content, dict) or name not in content:
            return f"it has no {name}"
    if content["status"] not in _STATUSES:
        return f"its status is {str(content['status'])[:80]!r}"
    if not all(isinstance(content.get(name, {}), dict) for name in ("spec", "results", "environment", "code")):
        return "its spec, results, environment or code is no section"
    texts = [
        content["name"],
        content["identity"],
        *(content.get(name) or "" for name in ("reason", "created", "started", "finished")),
    ]
    roots = content.get("code_roots") or []
    if not all(isinstance(text, str) for text in [*texts, *(roots if isinstance(roots, list) else [0])]):
        return "its name, reason, times or roots of code are no texts"
    return _spec_problem(content["spec"])


def _spec_problem(spec: dict[str, Any]) -> str | None:
    if not all(isinstance(spec.get(name), dict) for name in _SECTIONS):
        return f"its spec has no {', '.join(name for name in _SECTIONS if not isinstance(spec.get(name), dict))}"
    texts = [spec[section].get(key) for section, key in _TEXTS]
    more = [spec[section].get(key) or "" for section, key in _TEXTS_OR_NONE]
    if not all(isinstance(text, str) for text in [*texts, *more]):
        return "a name in its spec is no text"
    views, seed = spec["data"].get("views") or [], spec.get("seed")
    if (
        not isinstance(seed, int)
        or isinstance(seed, bool)
        or not isinstance(views, list)
        or not all(isinstance(view, str) for view in views)
    ):
        return "its seed or its views are of another kind"
    return None


def _problem(content: Any) -> str | None:
    """What keeps a file's content from being the record of a run of a store; None where nothing does."""
    if problem := shape_problem(content):
        return problem
    try:
        spec = RunSpec(**content["spec"])
        # Computed again, not compared with itself: a record whose recipe was edited by hand no longer has its name.
        agrees = (spec.identity, spec.folder) == (content["identity"], content["name"])
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        return f"its spec cannot be read ({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''})"
    # The name becomes a path, and the spec decides what is built and scored: neither is taken on trust.
    return None if agrees and is_inside(content["name"]) else "its spec is not the one that its name stands for"
