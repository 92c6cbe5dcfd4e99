"""What every figure shows, in a sentence; and where its values stand as text."""

from __future__ import annotations

CAPTIONS = {
    "dice_against_fps": "Dice (95 % interval) against streaming speed; the area of a bubble is the number of parameters.",
    "distribution": "Dice per patient; grey lines join the same patient across models, boxes show median and quartiles.",
    "performance_profile": "Share of patients whose Dice is at least the value on the axis; a curve that lies above another everywhere is "
    "better for every demand. The axis begins where the first patient fails the demand.",
    "differences": "Paired difference of mean Dice of the reference and each baseline with the interval of the table of comparisons; the "
    "band is the smallest difference that matters.",
    "critical_difference": "Mean ranks over patients, 1 is best; bars join models that Nemenyi's test does not tell apart; trainings are "
    "taken as given.",
    "rank_stability": "How often each model takes each rank in mean Dice when patients are resampled (trainings too where there are "
    "three of each, else these trainings alone), in percent.",
    "bland_altman": "Agreement of ejection fraction: bias (solid) and limits of agreement (dashed) with their 95 % intervals.",
    "ef_regression": "Predicted against true ejection fraction, least-squares line (solid) and identity (dotted).",
    "learning_curves": "Training loss and validation Dice; with several seeds their mean and range.",
    "memory": "Peak memory against the length of the clip, streaming.",
}
_SOURCES = {
    "dice_against_fps": "of the main comparison",
    "distribution": "of all test cases",
    "differences": "of differences to each baseline",
    "bland_altman": "of ejection fraction",
    "ef_regression": "of ejection fraction",
}


def caption(name: str) -> str:
    """What a figure shows, by its name."""
    if name.startswith("overlays_"):
        return "Best, median and worst case: reference (solid) and prediction (dashed)."
    return CAPTIONS.get(name, name)


def source(name: str) -> str:
    """The table that holds a figure's values ("of ejection fraction"); empty where none does."""
    return _SOURCES.get(name, "")
