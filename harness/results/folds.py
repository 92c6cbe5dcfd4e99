"""Cross-validation: the runs of k folds are one pass over the patients, each counted once, in the fold in which it is tested.

A run's data say which fold was tested and into which folds they are divided (``spec.data["fold"]``). Runs of one division that
differ in the tested fold belong together; a pass is what stands in the place of a training everywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FOLD = re.compile(r"fold \d+(?: of \d+)?(.*)")
_PER_FOLD = ("fingerprint", "mark")
"""Keys of a run's data that differ from fold to fold although the data are the same."""


def pooled_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """A run's data without what differs between folds; unchanged where there is none."""
    if "fold" not in data:
        return dict(data)
    division = {key: value for key, value in data["fold"].items() if key != "test"}
    return {key: value for key, value in data.items() if key not in _PER_FOLD} | {"fold": division}


def fold_count(datas: Iterable[Mapping[str, Any]]) -> int:
    """Into how many folds data are divided, of which several are tested by runs that belong together; 0 where not so.

    >>> fold = {"of": 3, "division": "a1"}
    >>> fold_count([{"fold": {"test": 0, **fold}}, {"fold": {"test": 2, **fold}}]), fold_count([{"fold": {"test": 0, **fold}}])
    (3, 0)
    """
    folds = [data["fold"] for data in datas if "fold" in data]
    one_division = len({fold["division"] for fold in folds}) == 1
    return int(folds[0]["of"]) if one_division and len({fold["test"] for fold in folds}) > 1 else 0


def pooled_mark(marks: Sequence[str], folds: int) -> list[str]:
    """The marks of all folds as one list: what they share, and how the folds were made.

    >>> pooled_mark(["partial; fold 0 of 3 drawn with seed 0", "partial; fold 1 of 3 drawn with seed 0"], 3)
    ['partial', 'cross-validation over 3 folds drawn with seed 0']
    """
    texts: dict[str, None] = {}
    for text in (piece for mark in marks for piece in mark.split("; ")):
        match = _FOLD.fullmatch(text)
        texts[text if match is None else f"cross-validation over {folds} folds{match[1]}"] = None
    return list(texts)


def fold_sentence(folds: int) -> str:
    """What the numbers of a cross-validation are, for captions; empty where there is none."""
    if not folds:
        return ""
    return (
        f"Cross-validation over {folds} folds: every patient counts once, in the fold in which it is tested. What is called a "
        f"training here is a pass over all {folds} folds ({folds} trainings, each without its own fold): passes are seeds, folds "
        "are not. Trainings of folds share patients, so that intervals are those of independent patients and may be somewhat narrow."
    )
