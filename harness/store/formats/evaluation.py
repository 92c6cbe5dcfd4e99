"""A finished run measured once more, on other data, another split or by other metrics: rows and what they are of.

In the run's folder, ``evaluations/<key>/``: ``evaluation.json`` says of what, ``cases.csv`` are the rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import DataError
from harness.files import canonical_hash, read_json, write_json
from harness.schema import parsed

FOLDER = "evaluations"
FILE = "evaluation.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluated:
    """What rows are of.

    Attributes:
        dataset, views, clip, fingerprint, mark: the data, as in a run's spec.
        split: ``train``, ``val`` or ``test``.
        metrics: registered metric functions.
        all_frames: whether interpolated frames and time were measured too.
        code: hash of the code that measured.
        from_masks: whether kept masks were measured, not the model.
        notes: sentences about how a difference between the two datasets was handled.
    """

    dataset: str
    views: tuple[str, ...]
    clip: str
    fingerprint: str
    mark: str | None
    split: str
    metrics: tuple[str, ...]
    all_frames: bool
    code: str
    from_masks: bool = False
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Ten hex digits, equal where rows would be."""
        # Sentences are worded anew now and then; rows are not measured again for that.
        content = {**asdict(self), "notes": ()}
        if not self.from_masks:
            # Rows that were stored before there was this choice keep their key.
            del content["from_masks"]
        return canonical_hash(content)

    def folder(self, run: Path) -> Path:
        """Where the rows lie in a run's folder."""
        return run / FOLDER / self.key

    def write(self, run: Path) -> None:
        """Write ``evaluation.json``; the rows are there before."""
        write_json(self.folder(run) / FILE, asdict(self))


def read_evaluated(run: Path, key: str) -> Evaluated:
    """What the rows under a key in a run's folder are of.

    Raises:
        DataError: there is none, or it is none.
    """
    path = run / FOLDER / key / FILE
    if not path.is_file():
        raise DataError(f"There is no evaluation {key} in {run.name} any more; evaluate the run again.")
    cure = "remove its folder and evaluate the run again"
    return parsed(Evaluated, read_json(path), f"{path} does not say what was evaluated", cure)
