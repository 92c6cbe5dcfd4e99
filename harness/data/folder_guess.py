"""A first manifest from files that lie in one of the usual layouts, and the sentences that say what was guessed."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.clip import LABELS
from harness.data.findings import shorten
from harness.data.folder_manifest import JOINED, LABELS_FILE, MANIFEST_FILE, SPLIT_WORDS
from harness.data.media.arrays import MASK_NAMES
from harness.data.media.pictures import MASK_ENDINGS, PICTURE_KINDS, natural
from harness.data.media.video import VIDEO_KINDS
from harness.data.media.volume import read_volume
from harness.errors import DataError, decoding
from harness.files import write_text
from harness.numpy_files import ArrayFile
from harness.vocabulary import counted

_KINDS = (
    ".nii.gz",
    ".nii",
    ".mhd",
    ".mha",
    ".npz",
    ".npy",
    ".tif",
    ".tiff",
    ".gif",
    ".dcm",
    *PICTURE_KINDS,
    *VIDEO_KINDS,
)
_IMAGE_FOLDERS = ("images", "image", "imgs", "img", "frames", "videos", "clips", "imagestr", "train_images")
_MASK_FOLDERS = ("masks", "mask", "labels", "label", "gt", "annotations", "segmentations", "labelstr", "train_masks")
_VIEWS = (("2CH", ("2ch", "a2c")), ("4CH", ("4ch", "a4c")))
_SAMPLES = 20
"""Masks that are looked into for their values: opening all of a large folder would take minutes."""


@dataclass(kw_only=True, slots=True)
class Guess:
    """Rows for a manifest, values of the masks by name, and what was guessed, a sentence each."""

    rows: list[dict[str, str]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)


def guess_manifest(root: Path) -> Guess:
    """Pair clips with masks in a folder: ``images/`` beside ``masks/``, nnU-Net's raw layout, files ``x`` and ``x_gt`` in one folder
    or in a folder per patient (TED among them), or NPZ files that hold both.

    Raises:
        DataError: no folder, a data set that has a reader of its own, or no pair of a clip and a mask.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the one that holds your clips and masks.")
    if (root / "FileList.csv").is_file() or (root / "A4C/FileList.csv").is_file():
        raise DataError(f"{root} is an EchoNet root and has a reader of its own; use --dataset echonet.")
    pairs, layout = _pairs(root)
    if not pairs:
        raise DataError(
            f"No clip with a mask was seen in {root}: looked for images/ beside masks/, imagesTr/ beside labelsTr/, x beside x_gt or "
            "x_mask, and NPZ files with a video and a mask; write manifest.csv by hand, docs/your-data.md shows how."
        )
    guess = Guess(sentences=[f"Layout: {layout}; {counted(len(pairs), 'pair')} of clip and mask."])
    guess.rows = [_row(root, clip, mask) for clip, mask in pairs]
    _join_stills(root, guess)
    patients = list(dict.fromkeys(row["patient"] for row in guess.rows))
    guess.sentences.append(f"Patients: {len(patients)}, from the names of the files ({shorten(patients)}); check them.")
    guess.sentences.append(_guess_splits(guess.rows))
    views = sorted({row["view"] for row in guess.rows if row["view"]})
    guess.sentences.append(f"Views: {', '.join(views)}, from the names." if views else "Views: none seen in the names.")
    clips = Counter((row["patient"], row["view"]) for row in guess.rows)
    if further := sum(count - 1 for count in clips.values()):
        guess.sentences.append(
            f"Views: {counted(further, 'clip')} of a patient and view that has one already; called VIEW.2, VIEW.3, ... in the order of the rows."
        )
    _guess_labels(root, pairs, guess)
    return guess


def _guess_splits(rows: list[dict[str, str]]) -> str:
    """Fill the column split from folders called train, val and test, where all clips lie in such; returns what was done."""
    words = {id(row): [SPLIT_WORDS.get(part.lower(), "") for part in Path(row["clip"]).parent.parts] for row in rows}
    named = {key: next((word for word in found if word), "") for key, found in words.items()}
    patients: dict[str, set[str]] = {}
    for row in rows:
        patients.setdefault(row["patient"], set()).add(named[id(row)])
    # A patient in two splits would be refused; numbers of cases often begin anew in each folder.
    if set(named.values()) != set(SPLIT_WORDS.values()) or any(len(splits) > 1 for splits in patients.values()):
        return "Splits: none; patients are drawn with a seed until you fill the column split."
    for row in rows:
        row["split"] = named[id(row)]
    return "Splits: from the folders called train, val and test."


def _join_stills(root: Path, guess: Guess) -> None:
    """Make two stills that their names call ED and ES one clip of two frames, so that it has an EF."""
    pairs: dict[tuple[str, str, str], dict[str, dict[str, str]]] = {}
    for row in guess.rows:
        stem, phase = _without_phase(_stem(Path(row["clip"])))
        if phase:
            pairs.setdefault((str(Path(row["clip"]).parent), row["patient"] + row["view"], stem), {})[phase] = row
    whole = [(both["ED"], both["ES"]) for both in pairs.values() if len(both) == 2]
    # Names may call whole sequences so; whether these are stills says the first of them.
    if not whole or any(
        len(read_volume(root / row[what], masks=what == "mask").values) > 1
        for row in whole[0]
        for what in ("clip", "mask")
    ):
        return
    for ed, es in whole:
        ed |= {name: f"{ed[name]}{JOINED}{es[name]}" for name in ("clip", "mask")} | {"ed": "0", "es": "1"}
    gone = [id(es) for _, es in whole]
    guess.rows = [row for row in guess.rows if id(row) not in gone]
    guess.sentences.append(
        f"Stills: {counted(len(whole), 'pair')} named ED and ES, each one clip of two frames (the cell joins them with '{JOINED}')."
    )


def _without_phase(stem: str) -> tuple[str, str]:
    """A name without its word ``ED`` or ``ES``, and that word; empty where there is none.

    >>> _without_phase("patient0001_4CH_ED"), _without_phase("wedge")
    (('patient0001_4CH', 'ED'), ('wedge', ''))
    """
    match = re.search(r"(?<![A-Za-z0-9])(ed|es)(?![A-Za-z0-9])", stem, re.I)
    if match is None:
        return stem, ""
    return re.sub(r"[_\-. ]+$|^[_\-. ]+", "", stem[: match.start()] + stem[match.end() :]), match[0].upper()


def write_guess(root: Path, guess: Guess) -> list[Path]:
    """Write ``manifest.csv`` and ``labels.yaml``; a file that is there already is never replaced.

    Raises:
        DataError: one of them exists.
    """
    paths = [root / MANIFEST_FILE, root / LABELS_FILE]
    if there := [path for path in paths if path.exists()]:
        raise DataError(f"{there[0]} exists already; remove or rename it to have a first one written.")
    columns = [
        "clip",
        "mask",
        "patient",
        "split",
        "view",
        "ed",
        "es",
        "ef_percent",
        "frame_rate_hz",
        "spacing_row_mm",
        "spacing_col_mm",
    ]
    kept = [name for name in columns if name == "split" or any(row.get(name) for row in guess.rows)]
    lines = [kept, *([row.get(name, "") for name in kept] for row in guess.rows)]
    write_text(paths[0], "".join(_csv_line(line) for line in lines))
    write_text(paths[1], "".join(f"{name}: {value}\n" for name, value in guess.labels.items()))
    return paths


def _csv_line(cells: list[str]) -> str:
    from io import StringIO

    stream = StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue()


def _pairs(root: Path) -> tuple[list[tuple[Path, Path]], str]:
    """Pairs of clip and mask, and the layout in words."""
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()}
    images = next((folders[name] for name in _IMAGE_FOLDERS if name in folders), None)
    masks = next((folders[name] for name in _MASK_FOLDERS if name in folders), None)
    if images is not None and masks is not None:
        return _beside(images, masks), f"{images.name}/ beside {masks.name}/"
    clips = sorted((path for path in root.rglob("*") if _is_file(path)), key=natural)
    pairs = list(_same_folder(clips))
    if pairs:
        return pairs, "masks beside their clips, with an ending such as _gt or _mask"
    both = [path for path in clips if path.suffix.lower() == ".npz" and _holds_mask(path)]
    return [(path, path) for path in both], "NPZ files with a clip and its masks"


def _is_file(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(_KINDS) and not path.name.startswith(".")


def _stem(path: Path) -> str:
    name = path.name
    return next((name[: -len(end)] for end in _KINDS if name.lower().endswith(end)), name)


def _beside(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    by_stem = {_bare(_stem(path)): path for path in masks.iterdir() if _is_file(path) or path.is_dir()}
    pairs = []
    for path in sorted(images.iterdir(), key=natural):
        if not (_is_file(path) or path.is_dir()):
            continue
        stem = _stem(path)
        # nnU-Net numbers the channels of an image: case_0000 has the mask case.
        mask = by_stem.get(stem) or by_stem.get(re.sub(r"_0000$", "", stem))
        if mask is not None:
            pairs.append((path, mask))
    return pairs


def _bare(stem: str) -> str:
    """A mask's name without its ending."""
    return next(
        (stem[: -len(end)] for end in MASK_ENDINGS if stem.lower().endswith(end) and len(stem) > len(end)), stem
    )


def _same_folder(paths: list[Path]) -> Iterator[tuple[Path, Path]]:
    masks = {(path.parent, _bare(_stem(path))): path for path in paths if _bare(_stem(path)) != _stem(path)}
    for path in paths:
        mask = masks.get((path.parent, _stem(path)))
        if mask is not None and mask != path:
            yield path, mask


def _holds_mask(path: Path) -> bool:
    return any(name.lower() in MASK_NAMES[:-1] for name in _arrays(path, None))


def _arrays(path: Path, names: tuple[str, ...] | None) -> dict[str, NDArray[Any]]:
    """The arrays of these names in an NPZ file, without ``names`` all names without content; none of a damaged file.

    What is damaged is left out of a guess; whoever reads the data later names the file.
    """
    try:
        with decoding(path, "is damaged", "write it again"), ArrayFile(path) as arrays:
            return {name: arrays[name] if names else np.empty(0) for name in arrays if names is None or name in names}
    except (DataError, OSError):
        return {}


def _row(root: Path, clip: Path, mask: Path) -> dict[str, str]:
    stem = _stem(clip)
    view = next((name for name, words in _VIEWS if any(word in stem.lower() for word in words)), "")
    # A number is what tells patients apart in nearly every name; the phase and the view behind it do not.
    match = re.match(r"(?!a?[24]ch?)[A-Za-z]*[_-]?\d+", stem, re.I)
    above = clip.parent.name if clip.parent != root else ""
    if match is None and any(letter.isdigit() for letter in above):
        return _cells(root, clip, mask, above, view)
    return _cells(root, clip, mask, match[0] if match else re.split(r"[_\-. ]", stem)[0], view)


def _cells(root: Path, clip: Path, mask: Path, patient: str, view: str) -> dict[str, str]:
    row = {
        "clip": clip.relative_to(root).as_posix(),
        "mask": mask.relative_to(root).as_posix(),
        "patient": patient,
        "view": view,
    }
    return row | _cfg(clip) | _npz_facts(clip)


def _npz_facts(path: Path) -> dict[str, str]:
    """ED, ES, frame rate and pixel size of an NPZ file that states them under these names, as our own export does."""
    if path.suffix.lower() != ".npz":
        return {}
    facts = {
        name: np.ravel(values) for name, values in _arrays(path, ("ed", "es", "frame_rate_hz", "spacing_mm")).items()
    }
    cells = {name: f"{values[0]:g}" for name, values in facts.items() if values.size == 1}
    if facts.get("spacing_mm", np.empty(0)).size == 2:
        cells |= dict(
            zip(("spacing_row_mm", "spacing_col_mm"), (f"{value:g}" for value in facts["spacing_mm"]), strict=True)
        )
    return cells


def _cfg(clip: Path) -> dict[str, str]:
    """ED, ES and EF of a ``*_info.cfg`` beside a sequence, as TED and the old CAMUS release have it; its frames count from 1."""
    stem = re.sub(r"_(half_)?sequence$", "", _stem(clip))
    path = clip.with_name(f"{stem}_info.cfg")
    if not path.is_file() or stem == _stem(clip):
        return {}
    pairs = dict(re.findall(r"^\s*(\w+)\s*:\s*([\d.]+)\s*$", path.read_text(encoding="utf-8", errors="replace"), re.M))
    ed, es, ef = pairs.get("ED1") or pairs.get("ED"), pairs.get("ES"), pairs.get("LVef") or pairs.get("EF")
    frames = {name: str(int(float(value)) - 1) for name, value in (("ed", ed), ("es", es)) if value}
    return {**frames, **({"ef_percent": ef} if ef else {})}


def _guess_labels(root: Path, pairs: list[tuple[Path, Path]], guess: Guess) -> None:
    """Names for the values that some of the masks hold."""
    chosen = [pairs[index][1] for index in np.unique(np.linspace(0, len(pairs) - 1, _SAMPLES).astype(int))]
    values: set[Any] = set()
    for path in chosen:
        values |= set(np.unique(read_volume(path, masks=True).values).tolist())
    found = sorted(int(value) for value in values if value)
    if found == list(LABELS.values()):
        guess.labels = dict(LABELS)
        guess.sentences.append(
            "Labels: 1, 2, 3 taken as CAMUS has them (lv, myo, la); correct labels.yaml where they are not."
        )
        return
    names = ["lv"] if len(found) == 1 else [f"structure_{value}" for value in found]
    guess.labels = dict(zip(names, found, strict=True))
    what = "one value, taken as lv" if len(found) == 1 else "values without a name; name them in labels.yaml"
    guess.sentences.append(
        f"Labels: {', '.join(map(str, found)) or 'none'} ({what}); {counted(len(chosen), 'mask')} looked into."
    )
