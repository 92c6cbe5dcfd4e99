"""Nothing half-written is ever read as whole."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from harness.errors import BenchError
from harness.files import atomic_file, canonical_hash, read_json, sha256_file, write_json, write_text


def test_a_write_that_is_interrupted_leaves_the_old_content_and_no_litter(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as stream:
        stream.write(b"half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["table.csv"]


def test_a_full_disk_is_one_sentence_that_names_the_place(tmp_path, monkeypatch):
    def no_space(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(BenchError, match=r"disk is full while writing .*table\.csv"):
        write_text(tmp_path / "table.csv", "new")
    assert list(tmp_path.iterdir()) == []


def test_other_write_errors_are_not_disguised(tmp_path, monkeypatch):
    def broken(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        write_text(tmp_path / "table.csv", "new")


def test_files_are_readable_by_others_as_the_umask_says(tmp_path):
    write_text(tmp_path / "a", "x")
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_json_survives_a_round_trip_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"b": float("nan")})
    assert read_json(tmp_path / "a.json") == {"b": [1, 2.5, None]}


def test_damaged_json_says_where_and_what_to_do(tmp_path):
    (tmp_path / "run.json").write_text('{"status": "fini')
    with pytest.raises(BenchError, match=r"run\.json is not valid JSON.*remove it"):
        read_json(tmp_path / "run.json")


def test_hashes_do_not_depend_on_key_order_but_on_values():
    assert canonical_hash({"a": 1, "b": [2, 3]}) == canonical_hash({"b": [2, 3], "a": 1})
    assert canonical_hash({"a": 1}) != canonical_hash({"a": 2})


def test_file_hash_agrees_with_hashlib(tmp_path):
    content = os.urandom(3 << 20)
    (tmp_path / "f").write_bytes(content)
    assert sha256_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()
