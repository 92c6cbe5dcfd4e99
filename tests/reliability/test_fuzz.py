"""Files that were damaged at random: every reader reads them or says one sentence. The short version of ``benchmarks/fuzz.py``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from fuzzing.attempts import Tally, attempt, bounded_memory
from fuzzing.mutations import mutated
from fuzzing.reader import Reader
from fuzzing.readers import readers

ATTEMPTS = 4
NAMES = (
    *("NIfTI", "NIfTI, packed", "NIfTI, inside the gzip", "MetaImage", "AVI", "MP4", "DICOM", "DICOM, run length"),
    *(
        "PNG",
        "TIFF",
        "GIF",
        "NPZ",
        "NPY",
        "cfg of CAMUS",
        "split list",
        "phantom.json",
        "FileList.csv",
        "VolumeTracings.csv",
    ),
    *("manifest.csv", "labels.yaml", "check of a folder", "manifest of a cache", "packed cache"),
    *(
        "packed cache, inside the gzip",
        "cases.csv",
        "profile.csv",
        "robustness.csv.gz",
        "clips.csv",
        "groups.csv",
        "map.csv",
    ),
    *(
        "table.json",
        "run.json",
        "run.json, forged",
        "suite.json",
        "study.json beside",
        "archive.json",
        "runs.json",
        "lease",
    ),
    *("checkpoint", "checkpoint, inside the archive", "last checkpoint", "pictures.npz", "pictures.npz, inside"),
    *("log.jsonl", "summary.json", "evaluation.json", "audited table", "audited pairs", "folder to guess from"),
    *("DICOM header for a report", "weights file", "weights file, its card", "foreign checkpoint"),
)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return {reader.name: reader for reader in readers(tmp_path_factory.mktemp("fuzz"))}


@pytest.fixture
def quiet() -> Iterator[None]:
    """Decoders in C tell of damage on the process's own stderr."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    yield
    os.dup2(kept, 2)
    os.close(kept)
    os.close(null)


def test_every_reader_is_tried(everything: dict[str, Reader]) -> None:
    assert tuple(everything) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_read_or_refused_in_one_sentence(
    name: str, everything: dict[str, Reader], quiet: None
) -> None:
    reader = everything[name]
    original, tally = reader.file.read_bytes(), Tally(name=name)

    @settings(
        max_examples=ATTEMPTS, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.data())
    def try_it(data: Any) -> None:
        attempt(reader, original, lambda low, high: data.draw(st.integers(low, high)), tally)

    try:
        # The whole file too: a reader that asks for a gigabyte at once refuses sound files.
        with bounded_memory():
            reader.read()
            try_it()
    finally:
        reader.file.write_bytes(original)
    assert tally.faults == {}
    assert tally.attempts >= ATTEMPTS


@given(st.data(), st.sampled_from(("binary", "text", "json")))
@settings(max_examples=15, derandomize=True, database=None, deadline=None)
def test_any_content_can_be_changed(data: Any, kind: Any) -> None:
    content = data.draw(st.binary(max_size=40))
    assert isinstance(mutated(content, kind, lambda low, high: data.draw(st.integers(low, high))), bytes)
