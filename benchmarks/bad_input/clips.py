"""The calls of ``tests/reliability/test_findings.py``: clips, places and names of every kind, typed one by one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

from bad_input.item import Item, Place, Said, Work
from bad_input.tables import loaded

KINDS = {
    "M5": ("M5: places that cannot be written or read", "traceback"),
    "M6": ("M6: text that is markup", "traceback, or text lost"),
    "M8": ("M8: values and kinds of clips", "traceback"),
    "hangs": ("Minor: pipes", "hung"),
    "names": ("Minor: names that become paths", "accepted, or written outside"),
}


def clips() -> list[Item]:
    """All of them."""
    findings = loaded("test_findings")
    return [
        Item(kind=KINDS[findings.section(name)][0], name=name, before=KINDS[findings.section(name)][1],
             work=_call(build), words=re.escape(words), codes=(1, 2))
        for name, (build, words) in findings.CASES.items()
    ]  # fmt: skip


def _call(build: Callable[..., list[str]]) -> Work:
    def work(place: Place) -> Said:
        findings, stores = loaded("test_findings"), loaded("conftest")
        store = place.made.parent / "finished"
        if not store.exists():
            stores.make_finished(store)
        run = stores.RunStore(shutil.copytree(store, place.folder / "runs")).all()[0]
        inner = place.folder / "place"
        inner.mkdir()
        said = Place(folder=inner, made=place.made).echobench(*build(findings.Place(folder=inner, run=run)))
        return Said(code=-1, text="left a folder") if (inner / "out").exists() else said

    return work
