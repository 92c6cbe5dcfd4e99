"""A dataset cut to a few patients of each split: for a first look, marked as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.clip import Case, Clip
from harness.data.dataset import EchoDataset
from harness.data.findings import Finding
from harness.files import canonical_hash
from harness.vocabulary import counted


class Limited(EchoDataset):
    """Another dataset with the first patients of each split only.

    Args:
        dataset: opened and verified.
        patients: how many of each split.
    """

    def __init__(self, dataset: EchoDataset, patients: int) -> None:
        # Not the base's: root and choices were checked when the other was opened.
        self.whole, self.patients = dataset, patients
        self.root, self.views, self.clip = dataset.root, dataset.views, dataset.clip
        self.allow_partial, self.split_dir = dataset.allow_partial, dataset.split_dir
        self.name, self.title = dataset.name, dataset.title
        self.structures = dataset.structures
        self.official_spacing_mm = dataset.official_spacing_mm

    @property
    def mark(self) -> str | None:
        """The dataset's own, and that it was limited: numbers of a first look must not pass for results."""
        return "; ".join(filter(None, (self.whole.mark, f"limited to {counted(self.patients, 'patient')} per split")))

    def layout(self) -> list[Finding]:
        """Of the whole dataset."""
        return self.whole.layout()

    def cases(self, split: str) -> list[Case]:
        """The cases of the first patients of a split."""
        cases = self.whole.cases(split)
        kept = set(list(dict.fromkeys(case.patient for case in cases))[: self.patients])
        return [case for case in cases if case.patient in kept]

    def load(self, case: Case) -> Clip:
        """As the whole dataset reads it."""
        return self.whole.load(case)

    def sources(self) -> list[Path]:
        """Of the whole dataset: a change of any file may change who is first."""
        return self.whole.sources()

    def examine(self, clip: Clip) -> list[Finding]:
        """As the whole dataset does."""
        return self.whole.examine(clip)

    def options(self) -> dict[str, Any]:
        """What was chosen, the limit included."""
        return {**self.whole.options(), "limit": self.patients}

    def fingerprint(self) -> str:
        """Another one for each limit."""
        return canonical_hash({"whole": self.whole.fingerprint(), "limit": self.patients}, length=16)
