"""Every file format comes back as it was written, and what is not of the format is refused in one sentence."""

from __future__ import annotations

import dataclasses
import gzip
import json

import pandas as pd
import pytest

from harness.errors import BenchError, DataError
from harness.store.formats.cases import CASES
from harness.store.formats.manifest import Manifest, find_manifest, read_manifest
from harness.store.formats.profile import PROFILE, PROFILE_COLUMNS
from harness.store.formats.record import read_record
from harness.store.formats.sweep import PATIENTS
from harness.store.formats.table import TableFormat

TINY = TableFormat(
    name="a tiny table",
    file="tiny.csv",
    columns={"who": "text", "seed": "integer", "ms": "number", "fast": "flag", "note": "text"},
    optional=frozenset({"note"}),
    retired=frozenset({"old"}),
)


def table() -> pd.DataFrame:
    flags = pd.array([True, pd.NA], dtype="boolean")
    return pd.DataFrame(
        {"who": ["NA", ""], "seed": [0, 1], "ms": [0.1 + 0.2, float("nan")], "fast": flags, "note": "x"}
    )


def test_text_that_looks_like_a_missing_value_stays_text_and_gaps_stay_gaps(tmp_path):
    TINY.write(table(), tmp_path / TINY.file)
    pd.testing.assert_frame_equal(TINY.read(tmp_path / TINY.file), table())


def test_a_compressed_file_comes_back_and_has_the_same_bytes_each_time(tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        TINY.write(table(), tmp_path / name)
    pd.testing.assert_frame_equal(TINY.read(tmp_path / "a.csv.gz"), table())
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert (tmp_path / "a.csv.gz").read_bytes()[:2] == b"\x1f\x8b"


def test_a_column_that_a_file_may_lack_is_read_as_missing_and_a_retired_one_is_passed_over(tmp_path):
    (tmp_path / "t.csv").write_text("who,seed,ms,fast,old\na,1,2.5,True,9\n")
    read = TINY.read(tmp_path / "t.csv")
    assert list(read) == list(TINY.columns)
    assert read["note"].isna().all()


@pytest.mark.parametrize(("head", "word"), [("who,seed,ms", "fast"), ("who,seed,ms,fast,latency_ms", "latency_ms")])
def test_a_file_of_another_format_is_refused(tmp_path, head, word):
    (tmp_path / "t.csv").write_text(f"{head}\n")
    with pytest.raises((DataError, BenchError), match=word):
        TINY.read(tmp_path / "t.csv")


def test_writing_a_table_with_a_column_too_many_or_too_few_is_refused():
    for wrong in (table().drop(columns="ms"), table().assign(median=1)):
        with pytest.raises(ValueError, match="must have the columns"):
            TINY.text(wrong)


def test_a_sparse_format_leaves_out_what_no_row_has(tmp_path):
    text = {"perturbation": "haze", "patient": "p", "clip_hash": "0"}
    rows = PATIENTS.empty().reindex(range(2)).assign(**text, severity=1, strength=0.5, dice=90.0)
    PATIENTS.write(rows, tmp_path / PATIENTS.file)
    with gzip.open(tmp_path / PATIENTS.file, "rt") as stream:
        heads = stream.readline().rstrip("\n").split(",")
    assert heads == [*("perturbation", "severity", "strength", "patient", "dice", "clip_hash")]


@pytest.mark.parametrize("kind", [CASES, PROFILE])
def test_an_empty_table_has_its_columns_with_their_types(kind, tmp_path):
    kind.write(kind.empty(), tmp_path / kind.file)
    pd.testing.assert_frame_equal(kind.read(tmp_path / kind.file), kind.empty(), check_index_type=False)


def test_a_profile_has_one_name_for_each_figure():
    assert len(set(PROFILE_COLUMNS)) == len(PROFILE_COLUMNS)
    assert not PROFILE.retired & set(PROFILE_COLUMNS)


def test_a_manifest_comes_back_and_its_file_says_its_kind(tmp_path):
    for kind in ("study", "suite"):
        manifest = Manifest(kind=kind, name="n", dataset="d", runs=("a", "b"), captions={"z": "Z.", "a": "A."})
        assert read_manifest(manifest.write(tmp_path)) == manifest
        assert list(json.loads((tmp_path / f"{kind}.json").read_text())["captions"]) == ["z", "a"]
    assert dataclasses.asdict(find_manifest(tmp_path))["kind"] == "suite"
    assert find_manifest(tmp_path / "nothing") is None


def test_what_is_no_manifest_or_record_is_named(tmp_path):
    for name, read in (("suite.json", read_manifest), ("run.json", read_record)):
        (tmp_path / name).write_text("[]")
        with pytest.raises(DataError, match=name):
            read(tmp_path / name)
