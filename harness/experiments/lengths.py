"""How many frames of each clip a run sees, and whether it can be scored on them: told before anything is trained."""

from __future__ import annotations

from typing import Any

from harness.data import PreparedCache
from harness.data.prepared import ClipRecord
from harness.data.sampling import lost_frames, resample_indices
from harness.errors import DataError


def fitted(recipe: dict[str, Any], cache: PreparedCache) -> dict[str, Any]:
    """The recipe with clips no longer than the longest clip there is: two stills are not stretched to ten frames."""
    longest = max(record.count for record in cache.records)
    lengths = {key: recipe[key] for key in ("clip_length", "test_clip_length") if isinstance(recipe.get(key), int)}
    return {**recipe, **{key: min(value, longest) for key, value in lengths.items()}}


def check_lengths(cache: PreparedCache, clip_length: int | None, test_clip_length: int | None) -> None:
    """Refuse lengths at which nothing is learned from a training clip or a frame that must be scored is not seen.

    Args:
        cache: the prepared clips.
        clip_length, test_clip_length: frames of each clip in training and in validation and test; None for all.

    Raises:
        DataError: the first clip that cannot be trained on or scored, how many there are, and what to do.
    """
    # Validation too: a model would be selected on frames that were not asked for.
    tested = [record for record in cache.records if record.case.split != "train"]
    lost = {r.case.name: frames for r in tested if (frames := _lost(r, test_clip_length))}
    if lost:
        name, frames = next(iter(lost.items()))
        raise DataError(
            f"At recipe.test_clip_length={test_clip_length} the labelled frame {frames[0]} of {name} is not seen "
            f"({len(lost)} of {len(tested)} clips cannot be scored); use recipe.test_clip_length=whole."
        )
    trained = [record for record in cache.records if record.case.split == "train"]
    blind = [record for record in trained if not any(_seen(record, clip_length))]
    if blind:
        raise DataError(
            f"At recipe.clip_length={clip_length} no labelled frame of {blind[0].case.name} is seen in training "
            f"({len(blind)} of {len(trained)} clips); use longer clips."
        )


def _lost(record: ClipRecord, length: int | None) -> list[int]:
    return lost_frames(record.labelled, record.ed, record.es, resample_indices(record.count, length))


def _seen(record: ClipRecord, length: int | None) -> list[bool]:
    return [record.labelled[index] for index in resample_indices(record.count, length)]
