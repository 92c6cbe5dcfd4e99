"""The prepared cache: faithful, reused, rebuilt, refused when damaged, and never left half-written."""

from __future__ import annotations

import json
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness.data import Camus, PreparedCache, cache, pack, prepare, unpack
from harness.errors import DataError

SIZE = 32


@pytest.fixture(scope="module")
def prepared(camus_root_shared: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedCache:
    root = tmp_path_factory.mktemp("cache")
    return prepare(Camus(camus_root_shared), image_size=SIZE, cache_root=root, workers=2, progress=False)


def make(root: Path, folder: Path) -> PreparedCache:
    return prepare(Camus(root, clip="ed_es"), image_size=SIZE, cache_root=folder, workers=1, progress=False)


def test_every_clip_keeps_its_length_its_facts_and_its_native_masks(
    prepared: PreparedCache, camus_root_shared: Path
) -> None:
    dataset = Camus(camus_root_shared)
    for split in ("train", "val", "test"):
        assert prepared.split(split).cases == dataset.cases(split)
        for clip in prepared.split(split):
            source = dataset.load(clip.case)
            assert clip.frames.shape == clip.masks.shape == (len(source.frames), SIZE, SIZE)
            assert clip.frames.dtype == clip.masks.dtype == np.uint8
            np.testing.assert_array_equal(clip.native_masks(), source.masks)
            np.testing.assert_array_equal(clip.labelled, source.labelled)
            np.testing.assert_array_equal(clip.interpolated, source.interpolated)
            assert (clip.ed, clip.es, clip.spacing_mm) == (source.ed, source.es, source.spacing_mm)
            assert (clip.native_size, clip.ef_percent) == (source.frames.shape[1:], source.ef_percent)
    assert len({len(clip) for clip in prepared.split("train")}) > 1


def test_a_second_call_reuses_the_first(camus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(camus_root, tmp_path / "cache")
    monkeypatch.setattr(Camus, "load", lambda *_: pytest.fail("a clip was read again"))
    assert make(camus_root, tmp_path / "cache").path == first.path


def test_the_number_of_workers_does_not_change_a_byte(
    camus_root_shared: Path, prepared: PreparedCache, tmp_path: Path
) -> None:
    alone = prepare(Camus(camus_root_shared), image_size=SIZE, cache_root=tmp_path, workers=0, progress=False)
    assert alone.manifest == prepared.manifest


@pytest.mark.parametrize("changed", ["patient0001/patient0001_4CH_ES.nii.gz", "patient0001/Info_4CH.cfg"])
def test_a_changed_source_leads_to_a_new_cache(camus_root: Path, tmp_path: Path, changed: str) -> None:
    first = make(camus_root, tmp_path / "cache")
    path = camus_root / "database_nifti" / changed
    donor = camus_root / "database_nifti/patient0004" / Path(changed).name.replace("patient0001", "patient0004")
    path.write_bytes(donor.read_bytes() + b"\n" * path.name.endswith("cfg"))
    assert make(camus_root, tmp_path / "cache").fingerprint != first.fingerprint


def test_the_fingerprint_does_not_depend_on_place_or_time(camus_root: Path) -> None:
    before = Camus(camus_root).fingerprint()
    moved = camus_root.rename(camus_root.with_name("elsewhere"))
    for path in moved.rglob("*.nii.gz"):
        os.utime(path, (1, 1))
    assert Camus(moved).fingerprint() == before


@pytest.mark.parametrize("name", ["frames.u8", "masks.u8", "native_masks.zlib"])
def test_a_cut_file_is_refused_at_opening(camus_root: Path, tmp_path: Path, name: str) -> None:
    path = make(camus_root, tmp_path / "cache").path
    os.truncate(path / name, (path / name).stat().st_size - 1)
    with pytest.raises(DataError, match=rf"damaged \({name}.*remove that folder"):
        make(camus_root, tmp_path / "cache")
    (path / name).unlink()
    with pytest.raises(DataError, match="missing"):
        PreparedCache.open(path)


def test_changed_content_of_the_right_size_is_found_by_verify(camus_root: Path, tmp_path: Path) -> None:
    prepared = make(camus_root, tmp_path / "cache")
    prepared.verify()
    content = bytearray((prepared.path / "masks.u8").read_bytes())
    content[100] ^= 1
    (prepared.path / "masks.u8").write_bytes(content)
    with pytest.raises(DataError, match="other content"):
        PreparedCache.open(prepared.path).verify()


@pytest.mark.parametrize("text", ["{", "{}", "[]", json.dumps({"format": 99})])
def test_a_damaged_manifest_is_one_sentence(camus_root: Path, tmp_path: Path, text: str) -> None:
    prepared = make(camus_root, tmp_path / "cache")
    (prepared.path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="remove that folder"):
        PreparedCache.open(prepared.path)


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_nothing(camus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache, "_record", stop)
    with pytest.raises(KeyboardInterrupt):
        prepare(Camus(camus_root), image_size=SIZE, cache_root=tmp_path / "cache", workers=workers, progress=False)
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    camus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "open_for_writing", lambda path: os.fdopen(os.open("/dev/full", os.O_WRONLY), "wb"))
    with pytest.raises(DataError, match=r"disk is full while preparing .*free some space"):
        make(camus_root, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_a_killed_process_left_is_swept_away(camus_root: Path, tmp_path: Path) -> None:
    place = make(camus_root, tmp_path / "cache").path
    stale = place.with_name(f".{place.name}.killed")
    place.rename(stale)
    make(camus_root, tmp_path / "cache")
    assert not stale.exists()


def test_a_pickled_cache_carries_no_pixels(prepared: PreparedCache) -> None:
    prepared.split("train").clip(0).frames.sum()
    copy = pickle.loads(pickle.dumps(prepared))
    assert len(pickle.dumps(prepared)) < prepared.frames.nbytes
    np.testing.assert_array_equal(copy.split("test").clip(0).frames, prepared.split("test").clip(0).frames)


def test_a_packed_cache_unpacks_elsewhere_to_the_same_bytes(prepared: PreparedCache, tmp_path: Path) -> None:
    archive = pack(prepared, tmp_path / "cache.tar.gz")
    there = unpack(archive, tmp_path / "there")
    assert there.manifest == prepared.manifest
    assert unpack(archive, tmp_path / "there").path == there.path
    assert [path.name for path in (tmp_path / "there").iterdir()] == [there.path.name]


def test_a_cut_archive_is_refused_and_leaves_nothing(prepared: PreparedCache, tmp_path: Path) -> None:
    archive = pack(prepared, tmp_path / "cache.tar.gz")
    os.truncate(archive, archive.stat().st_size // 2)
    with pytest.raises(DataError, match="damaged or not a packed cache"):
        unpack(archive, tmp_path / "there")
    assert list((tmp_path / "there").iterdir()) == []


def test_a_tenth_of_the_real_stills_travels_in_a_tenth_of_sixty_mebibytes(shared: Path, tmp_path: Path) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for path in (shared / "data/camus/database_split").glob("subgroup_*.txt"):
        (lists / path.name).write_text("\n".join(path.read_text().split()[5::10]))
    dataset = Camus(shared / "data/camus", views=("4CH",), clip="ed_es", allow_partial=True, split_dir=lists)
    prepared = prepare(dataset, image_size=256, cache_root=tmp_path, progress=False)
    assert len(prepared.frames) == 100
    assert pack(prepared, tmp_path / "cache.tar.gz").stat().st_size < 6 * 2**20


def test_two_who_prepare_at_once_build_it_once(
    camus_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = []
    build = cache._build
    monkeypatch.setattr(cache, "_build", lambda *args: builds.append(1) or time.sleep(0.2) or build(*args))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: make(camus_root, tmp_path / "cache").path, range(2))
    assert first == second
    assert len(builds) == 1
