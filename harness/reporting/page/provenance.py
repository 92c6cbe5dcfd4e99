"""Where results come from, and the commands that make them again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from harness.reporting.sections import Section
from harness.results.result_set import ResultSet


def commands(results: ResultSet, sections: Sequence[Section] = ()) -> list[str]:
    """Checkout, the suite's command, those of its sections, and the report, in this order."""
    commits = _values(results, "code", "commit")
    # The newest of them where there are several; `origin` names them all.
    checkout = [f"git checkout {commits[-1]}"] if commits else []
    report = f"echobench report {shlex.quote(results.name)}"
    return [*checkout, results.command or "make bench", *(part.command for part in sections if part.command), report]


def origin(results: ResultSet) -> str:
    """Code, data and machine of a suite's runs in one line; says so where runs differ."""
    data = sorted({str(run.spec.get("data", {}).get("fingerprint") or "") for run in results.runs})
    facts = {
        "commit": [commit[:10] for commit in _values(results, "code", "commit")],
        "data fingerprint": [name for name in data if name],
        "processor": _values(results, "environment", "processor"),
        "platform": _values(results, "environment", "platform"),
    }
    lines = [f"{key} {', '.join(values)}" for key, values in facts.items() if values]
    dirty = any((run.record.get("code") or {}).get("dirty") for run in results.runs)
    return f"{len(results.runs)} runs; " + "; ".join(lines) + ("; some with uncommitted changes." if dirty else ".")


def provenance(record: dict[str, Any], status: str) -> dict[str, Any]:
    """What a reader needs to trust a run: code, machine, packages, times and the whole resolved spec."""
    code, machine = record.get("code") or {}, record.get("environment") or {}
    done, spec = record.get("results") or {}, record.get("spec") or {}
    facts = {
        "status": status,
        "reason": record.get("reason"),
        "commit": (code.get("commit") or "unknown") + (" (with uncommitted changes)" if code.get("dirty") else ""),
        "version": code.get("version"),
        "data fingerprint": spec.get("data", {}).get("fingerprint"),
        "started": record.get("started"),
        "finished": record.get("finished"),
        "seconds": _plain(done.get("seconds")),
        "device": done.get("device"),
        "precision": done.get("precision"),
        "best iteration": done.get("best_iteration"),
        "validation Dice": _plain(done.get("validation_dice")),
        "python": machine.get("python"),
        "platform": machine.get("platform"),
        "processor": machine.get("processor"),
        "cores": machine.get("cores"),
        "packages": _plain(machine.get("packages")),
    }
    return {
        "name": record.get("name", ""),
        "facts": {key: value for key, value in facts.items() if value not in (None, "")},
        "spec": json.dumps(spec, indent=2, sort_keys=True),
    }


def _values(results: ResultSet, part: str, key: str) -> list[str]:
    """Distinct values in the order of the runs, newest last."""
    ordered = sorted(results.runs, key=lambda run: str(run.record.get("started") or ""))
    found = [(run.record.get(part) or {}).get(key) for run in ordered]
    return list(dict.fromkeys(str(value) for value in found if value))


def _plain(value: Any) -> str | None:
    if isinstance(value, float):
        return f"{value:.4g}"
    if not isinstance(value, dict):
        return None if value is None else str(value)
    return ", ".join(f"{key} {item:.0f}" if isinstance(item, float) else f"{key} {item}" for key, item in value.items())
