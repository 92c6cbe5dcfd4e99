"""How many frames of each clip the models saw: a sentence that stands in every caption, apart from the profile's clip length."""

from __future__ import annotations

from collections.abc import Iterable

from harness.results.folds import fold_sentence
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults

NO_MEMORY = "Two stills: no memory is tested"
_CLIP = ["patient", "view"]


def frames_sentence(results: ResultSet) -> str:
    """``Frames of a clip: 8 in training, all (13 to 22) at test, streaming.``; empty where no run says.

    Of a cross-validation it says first what that is.
    """
    return " ".join(filter(None, [fold_sentence(results.folds), _frames(results)]))


def _frames(results: ResultSet) -> str:
    recipes = [run.spec["recipe"] for run in results.runs if run.spec.get("recipe", {}).get("clip_length")]
    if not recipes:
        return ""
    trained = _numbers(recipe["clip_length"] for recipe in recipes)
    tested = _numbers(recipe.get("test_clip_length") or recipe["clip_length"] for recipe in recipes)
    if only_two(results):
        return f"{NO_MEMORY}. Frames of a clip: {trained} in training, 2 at test."
    whole = f"all{_lengths(results.runs)}"
    return f"Frames of a clip: {trained} in training, {tested.replace('whole', whole)} at test, streaming."


def only_two(results: ResultSet) -> bool:
    """Whether the models were tested on two frames of a clip: a memory then holds one frame, and nothing is said of memories."""
    # Masks from elsewhere have no recipe: what their model saw is not known and decides nothing.
    specs = [run.spec for run in results.runs if run.spec.get("recipe")]
    recipes = [spec["recipe"] for spec in specs]
    clips = {spec.get("data", {}).get("clip") for spec in specs}
    tested = {recipe.get("test_clip_length") or recipe.get("clip_length") for recipe in recipes}
    return bool(recipes) and (clips == {"ed_es"} or tested == {2})


def _numbers(values: Iterable[int | str]) -> str:
    """``8``, ``2, 4 and 8``: numbers in order, words last."""
    ordered = sorted(set(values), key=lambda value: (isinstance(value, str), value))
    texts = [str(value) for value in ordered]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _lengths(runs: Iterable[RunResults]) -> str:
    """`` (13 to 22)``: the shortest and longest clip whose every frame was scored; empty where the rows do not tell."""
    rows = next((run.every for run in runs if run.finished and (run.every["phase"] == "labelled").any()), None)
    if rows is None:
        return ""
    # Frames count from 0, and -1 stands for the whole clip.
    counts = rows[rows["frame"] >= 0].groupby(_CLIP)["frame"].max() + 1
    low, high = int(counts.min()), int(counts.max())
    return f" ({low})" if low == high else f" ({low} to {high})"
