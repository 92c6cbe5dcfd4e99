"""Which frames a figure is of: ED and ES, or every frame whose mask is true.

A row's phase says what its reference mask is: ``ED``, ``ES`` or ``labelled`` where it is true (drawn, or a phantom's geometry),
``interp`` where the owners of the data interpolated it, which is never mixed with the others.
"""

from __future__ import annotations

import pandas as pd

ENDS = ("ED", "ES")
TRUE = (*ENDS, "labelled")
_CLIP = ["patient", "view"]


def at_ends(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of ED and ES (of a clip that names neither: of its labelled frames) and of whole clips and patients.

    This is what headline figures are of: every data set has these two frames.
    """
    phases = rows["phase"]
    between = phases == "labelled"
    # Most data name ED and ES alone: nothing is joined then, which takes most of the time for whole sequences.
    if not between.any():
        return rows[phases != "interp"] if (phases == "interp").any() else rows
    ends = rows.loc[phases.isin(ENDS), _CLIP].drop_duplicates()
    # Per clip: a data set may name both ends in some clips and only label frames in others.
    named = pd.MultiIndex.from_frame(rows[_CLIP]).isin(pd.MultiIndex.from_frame(ends))
    return rows[(phases != "interp") & ~(between & named)]


def every_frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of all frames whose reference mask is true, ED and ES among them."""
    return rows[rows["phase"].isin(TRUE)]


def interpolated(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the frames whose reference mask the owners interpolated."""
    return rows[rows["phase"] == "interp"]


STAGES = (
    *("ED", "early systole", "mid systole", "late systole", "ES"),
    *("early diastole", "mid diastole", "late diastole"),
)


def by_stage(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of all frames whose mask is true, with the stage of the cycle (``STAGES``) as their phase.

    Between ED and ES, and between ES and the end of the clip, the frames are cut into thirds; of a clip whose ES comes first,
    those between ES and ED are diastole. A clip without rows of both ED and ES has no stages and is left out, as are frames
    before the first of the two and, where that is ES, after ED: how far their systole has come is not known.
    """
    chosen = every_frame(rows)
    ends = {phase: chosen[chosen["phase"] == phase].groupby(_CLIP)["frame"].first() for phase in ENDS}
    table = chosen.merge(pd.DataFrame(ends), left_on=_CLIP, right_index=True, how="inner")
    # The end of the clip stands for the next ED, which half a beat does not hold.
    last = table.groupby(_CLIP)["frame"].transform("max")
    forward = table["ED"] < table["ES"]
    systole = (table["frame"] - table["ED"]) / (table["ES"] - table["ED"]).where(forward)
    end = last.where(forward, table["ED"])
    # A sequence that ends with ES has no diastole: nothing is divided by nothing.
    diastole = (table["frame"] - table["ES"]) / (end - table["ES"]).where(end > table["ES"])
    stage = pd.Series("", index=table.index)
    for third, name in enumerate(("early", "mid", "late")):
        low, high = third / 3, (third + 1) / 3
        stage[(systole > low) & (systole <= high) & (systole < 1)] = f"{name} systole"
        stage[(diastole > low) & (diastole <= high)] = f"{name} diastole"
    table["phase"] = stage.where(~table["phase"].isin(ENDS), table["phase"])
    return table.loc[table["phase"] != "", list(rows.columns)]
