"""Nothing runs from data: records, checkpoints, archives and reports of other people cannot execute code or leave their folder."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import pickle
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from mmengine.registry import HOOKS, VISBACKENDS

from harness import modules
from harness.data import unpack
from harness.data.nifti import read_frames
from harness.errors import BenchError, ConfigError, DataError
from harness.experiments.trained import WEIGHTS_HASH, load_trained
from harness.files import inside, sha256_file
from harness.modules import granted, trust_records
from harness.registry import DATASETS, ENGINES, METRICS, MODELS, PERTURBATIONS, TRANSFORMS, build_registered
from harness.store.formats.manifest import read_manifest
from harness.store.runs import Run, RunStore

Rewrite = Callable[..., Run]
POPEN = {"type": "subprocess.Popen", "args": ["touch", "made-by-data"]}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(modules, "_named", set())
    monkeypatch.setattr(modules, "_trusting", False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "registry", [MODELS, DATASETS, TRANSFORMS, METRICS, PERTURBATIONS, ENGINES, HOOKS, VISBACKENDS]
)
@pytest.mark.parametrize(
    "config",
    [
        POPEN,
        {"type": "os.system", "command": "touch made-by-data"},
        {"type": "builtins.exec", "object": "open('made-by-data', 'w')"},
        {"type": "sprung"},  # a file in the current folder: mmengine would import it
        {"type": print},
        {"type": "UNet", "_scope_": "sprung", "widths": [4]},
        {"type": "UNet", "inner": [{"deeper": POPEN}]},
        {"type": "UNet", "options": {"backbone.type": "subprocess.Popen"}},
    ],
    ids=lambda config: str(config)[:40],
)
def test_only_registered_names_are_built(
    registry: Any, config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sprung.py").write_text("open('made-by-data', 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"no registered name|Unknown|_scope_"):
        build_registered(registry, config) if registry in (HOOKS, VISBACKENDS) else registry.build(config)
    assert not (tmp_path / "made-by-data").exists()
    assert "sprung" not in sys.modules


def test_a_record_cannot_name_what_is_built(finished: Run, rewritten: Rewrite, tmp_path: Path) -> None:
    for build in (POPEN, {"type": "MMSegSegmenter", "config": {"type": "EncoderDecoder", "backbone": POPEN}}):
        with pytest.raises(ConfigError, match="no registered name"):
            load_trained(rewritten(finished, model={"build": build}))
    assert not (tmp_path / "made-by-data").exists()


@pytest.mark.parametrize("kind", ["file", "module", "mmseg"])
def test_code_that_a_record_names_runs_only_when_the_user_names_it_or_agrees(
    finished: Run, rewritten: Rewrite, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "theirnet.py"
    file.write_text("from pathlib import Path\nPath('made-by-data').touch()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    name = "theirnet" if kind == "module" else str(file)
    changed = {"build": {"type": "MMSegSegmenter", "name": name}} if kind == "mmseg" else {"custom_imports": [name]}
    run = rewritten(finished, model=changed)
    with pytest.raises(ConfigError, match=r"wants the code in .*theirnet.* --trust"):
        load_trained(run)
    assert not (tmp_path / "made-by-data").exists()
    if kind == "mmseg":
        return
    trust_records()
    assert type(load_trained(run)).__name__ == "UNet"
    assert (tmp_path / "made-by-data").exists()
    sys.modules.pop("theirnet", None)


def test_code_that_the_user_named_may_be_named_by_a_record_here_and_in_workers(
    finished: Run, rewritten: Rewrite, tmp_path: Path
) -> None:
    file = tmp_path / "mynet.py"
    file.write_text("")
    run = rewritten(finished, model={"custom_imports": [str(file)]})
    modules.import_modules([str(file)])
    assert type(load_trained(run)).__name__ == "UNet"
    assert granted() == (frozenset([str(file)]), False)


def test_a_record_cannot_move_the_code_of_what_is_trained_now(store: RunStore, finished: Run) -> None:
    """Folders of a user's files are no part of the identity: an unfinished record could point to another file."""
    mine = {**finished.spec.model, "custom_imports": ["/mine/net.py"]}
    asked = store.open(dataclasses.replace(finished.spec, code="today", model=mine))
    record = json.loads((asked.path / "run.json").read_text())
    record["spec"]["model"]["custom_imports"] = ["/theirs/net.py"]
    (asked.path / "run.json").write_text(json.dumps(record))
    assert store.get(asked.name).spec.model["custom_imports"] == ["/theirs/net.py"]
    assert store.open(asked.spec).spec.model["custom_imports"] == ["/mine/net.py"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../elsewhere/unet-small-s0-0000000000"},
        {"name": "/tmp/unet"},
        {"identity": "0000000000"},
        {"status": "done"},
        {"spec": {"seed": 7}},
        {"spec": {"recipe": {"image_size": 64}}},
        {"spec": {"surplus": 1}},
        {"spec": []},
        {"results": []},
    ],
    ids=str,
)
def test_a_record_that_was_edited_is_refused(finished: Run, change: dict[str, Any]) -> None:
    record = json.loads((finished.path / "run.json").read_text())
    for key, value in change.items():
        record[key] = {**record[key], **value} if key == "spec" and isinstance(value, dict) else value
    (finished.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"run\.json is no record of a run: .*; remove its folder"):
        finished.read()


class Evil:
    """Pickles as a call of ``open``."""

    def __reduce__(self) -> Any:
        return open, ("made-by-data", "w")


def _damaged(kind: str, path: Path) -> None:
    content = torch.load(path, weights_only=True)
    first = next(iter(content["model"]))
    if kind == "pickle":
        torch.save({"model": Evil()}, path)
    elif kind == "old pickle":
        path.write_bytes(pickle.dumps({"model": Evil()}))
    elif kind == "a flipped byte":
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 1
        path.write_bytes(bytes(raw))
    elif kind == "compressed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("best/data.pkl", b"0" * 10_000_000)
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-300])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "shape":
        torch.save({"model": {**content["model"], first: torch.zeros(1)}}, path)
    elif kind == "integers":
        torch.save({"model": {**content["model"], first: content["model"][first].to(torch.int64)}}, path)
    else:
        torch.save({"a list": [1, 2], "an integer": 5, "no model": {}, "no tensor": {"model": {first: 1}}}[kind], path)


@pytest.mark.parametrize(
    "kind",
    [
        "pickle",
        "old pickle",
        "a flipped byte",
        "compressed",
        "cut",
        "empty",
        "shape",
        "integers",
        "a list",
        "an integer",
        "no model",
        "no tensor",
    ],
)
def test_a_checkpoint_is_tensors_that_fit_or_it_is_refused(finished: Run, kind: str, tmp_path: Path) -> None:
    path = finished.path / "checkpoints" / "best.pth"
    _damaged(kind, path)
    with pytest.raises(BenchError, match=r"best\.pth (is damaged|was not written|does not fit)") as caught:
        load_trained(finished)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made-by-data").exists()


def test_the_weights_of_a_finished_run_are_those_that_it_was_finished_with(finished: Run) -> None:
    best = finished.path / "checkpoints" / "best.pth"
    finished.record["results"][WEIGHTS_HASH] = sha256_file(best)
    load_trained(finished)
    content = torch.load(best, weights_only=True)
    torch.save(
        {**content, "model": {name: tensor * 1 for name, tensor in content["model"].items()}, "score": 0.9}, best
    )
    with pytest.raises(BenchError, match=r"is not the one that the run .* was finished with"):
        load_trained(finished)


@pytest.mark.parametrize("name", ["../../esc", "/abs", "a/../../b", "", "a\nb", "~root", 5])
def test_names_in_a_report_never_become_paths_elsewhere(tmp_path: Path, name: Any) -> None:
    for key, value in (("name", name), ("runs", [name]), ("tables", [name])):
        content = {"name": "x", "dataset": "phantom", "runs": [], key: value}
        (tmp_path / "suite.json").write_text(json.dumps(content))
        with pytest.raises(DataError, match=r"suite\.json is no manifest"):
            read_manifest(tmp_path / "suite.json")
    if isinstance(name, str):
        with pytest.raises(DataError, match="may not become a path"):
            inside(tmp_path, name, "A file")


def _packed(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for item, content in members:
            item.size = len(content) if item.isreg() else 0
            tar.addfile(item, io.BytesIO(content))
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    item = tarfile.TarInfo(name)
    item.type, item.linkname = kind, target
    return item


@pytest.mark.parametrize(
    "members",
    [
        [(_member("../escape"), b"x")],
        [(_member("/absolute"), b"x")],
        [(_member("cache/a/b"), b"x")],
        [(_member("cache/link", tarfile.SYMTYPE, "/etc/passwd"), b"")],
        [(_member("cache/link", tarfile.LNKTYPE, "cache/other"), b"")],
        [(_member("cache/device", tarfile.CHRTYPE), b"")],
        [(_member("cache/a"), b"x"), (_member("cache/a"), b"y")],
        [(_member("cache"), b"x"), (_member("cache/a"), b"y")],
        [(_member(f"cache/{n}"), b"") for n in range(200)],
        [(_member("cache/bomb"), bytes(30_000_000))],
    ],
    ids=["parent", "absolute", "deep", "symlink", "hard link", "device", "twice", "file over folder", "many", "bomb"],
)
def test_an_archive_is_judged_before_anything_is_written(
    members: list[tuple[tarfile.TarInfo, bytes]], tmp_path: Path
) -> None:
    archive = _packed(tmp_path / "packed.tar.gz", members)
    with pytest.raises(DataError, match=r"packed\.tar\.gz is damaged or not a packed cache"):
        unpack(archive, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"packed.tar.gz", "cache"}


def test_an_archive_that_the_disk_cannot_hold_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _packed(tmp_path / "packed.tar.gz", [(_member("cache/a"), np.random.default_rng(0).bytes(2_000_000))])
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    with pytest.raises(BenchError, match="0 MB free, and the packed cache needs 1 MB"):
        unpack(archive, tmp_path / "cache")


def test_a_nifti_header_is_compared_with_the_file_before_memory_is_taken(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 2), np.uint8), np.eye(4))
    raw = bytearray(image.to_bytes())
    raw[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()  # 32 TB of pixels
    (tmp_path / "claim.nii").write_bytes(bytes(raw))
    (tmp_path / "claim.nii.gz").write_bytes(gzip.compress(bytes(raw)))
    for name in ("claim.nii", "claim.nii.gz"):
        with pytest.raises(DataError, match=f"{name} is damaged or not NIfTI .*claims"):
            read_frames(tmp_path / name)


def test_a_gzip_bomb_behind_an_image_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.data.media.nifti.LIMIT_BYTES", 1 << 20)
    image = nibabel.Nifti1Image(np.zeros((4, 4), np.uint8), np.eye(4)).to_bytes()
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(image + bytes(8 << 20)))
    with pytest.raises(DataError, match="holds more than 1 MB"):
        read_frames(tmp_path / "bomb.nii.gz")
