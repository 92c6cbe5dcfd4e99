"""How many frames models saw stands in every caption; on two stills nothing is said of memories."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from harness.reporting.page.page import page
from harness.reporting.page.verdicts import suite_verdicts
from harness.reporting.paper.sample import write_paper
from harness.reporting.report import suite_tables
from harness.results.clip_lengths import NO_MEMORY, frames_sentence, only_two
from harness.results.pair import compare_arms
from harness.results.result_set import ResultSet


def of_length(results: ResultSet, trained: int, tested: int | str, clip: str = "half") -> ResultSet:
    """The suite as if its runs had been made on clips of this length."""
    spec: dict[str, Any] = {
        "data": {"clip": clip}, "recipe": {"clip_length": trained, "test_clip_length": tested}, "model": {"size": "small"},
    }  # fmt: skip
    return replace(results, runs=tuple(replace(run, record={**run.record, "spec": spec}) for run in results.runs))


@pytest.mark.parametrize(
    ("lengths", "sentence"),
    [
        ((8, "whole"), "Frames of a clip: 8 in training, all at test, streaming."),
        ((4, 4), "Frames of a clip: 4 in training, 4 at test, streaming."),
        ((2, 2, "ed_es"), "Two stills: no memory is tested. Frames of a clip: 2 in training, 2 at test."),
        ((10, 2), "Two stills: no memory is tested. Frames of a clip: 10 in training, 2 at test."),
    ],
)
def test_the_sentence_says_how_many_frames_were_seen(pair: ResultSet, lengths: Any, sentence: str) -> None:
    assert frames_sentence(of_length(pair, *lengths)) == sentence


def test_the_length_of_whole_clips_is_read_from_the_rows(pair: ResultSet) -> None:
    long = [run.rows.assign(frame=run.rows["frame"].where(run.rows["phase"] != "ES", 13)) for run in pair.runs]
    between = [rows[rows["phase"] == "ED"].assign(frame=5, phase="labelled") for rows in long]
    runs = [replace(run, rows=pd.concat([a, b])) for run, a, b in zip(pair.runs, long, between, strict=True)]
    assert "all (14) at test" in frames_sentence(of_length(replace(pair, runs=tuple(runs)), 8, "whole"))


def test_it_stands_in_every_table_on_the_page_and_in_the_paper(pair: ResultSet, tmp_path: Any) -> None:
    results = of_length(pair, 2, 2, "ed_es")
    sentence, tables = frames_sentence(results), suite_tables(results)
    assert len(tables) > 4
    for table in tables:
        assert table.published or sentence in table.caption, table.name
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "PNG")
    charts = {"distribution": stream.getvalue()}
    assert page(results, tables, charts, [], []).count(NO_MEMORY) > 4
    write_paper(results, tables, charts, [], tmp_path)
    assert NO_MEMORY in (tmp_path / "paper.tex").read_text(encoding="utf-8")


def test_verdicts_on_stills_begin_with_what_they_cannot_say(pair: ResultSet) -> None:
    stills = of_length(pair, 2, 2, "ed_es")
    assert suite_verdicts(stills)[0].startswith(NO_MEMORY)
    assert NO_MEMORY not in " ".join(suite_verdicts(of_length(pair, 8, "whole")))
    assert NO_MEMORY in compare_arms(stills, "GDKVM", "U-Net").remarks[0]


def test_masks_from_elsewhere_do_not_decide_what_the_others_saw(pair: ResultSet) -> None:
    stills = of_length(pair, 2, 2, "ed_es")
    elsewhere = replace(
        stills.runs[0], record={**stills.runs[0].record, "spec": {"data": {}, "recipe": {}, "model": {}}}
    )
    assert only_two(replace(stills, runs=(*stills.runs, elsewhere)))
    assert not only_two(replace(stills, runs=(elsewhere,)))
