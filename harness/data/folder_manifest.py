"""The two files that describe a data set of one's own: ``manifest.csv``, one row per clip, and ``labels.yaml``."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.data.findings import shorten
from harness.errors import DataError
from harness.files import is_inside
from harness.stated import stated
from harness.vocabulary import counted

MANIFEST_FILE = "manifest.csv"
LABELS_FILE = "labels.yaml"
REQUIRED = ("clip", "mask", "patient")
OPTIONAL = (
    "split", "view", "frame_rate_hz", "spacing_row_mm", "spacing_col_mm", "ed", "es", "labelled", "ef_percent", "quality",
)  # fmt: skip
SPLIT_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test", "testing": "test",
}  # fmt: skip
BACKGROUND = "background"
JOINED = "|"
"""Between files of a cell whose frames are one clip, as the two stills of ED and ES; no file of Windows has it in its name."""
UNNAMED_VIEW = "clip"
"""View of a clip whose row names none."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestRow:
    """One clip of the manifest; what a cell leaves empty is None.

    Attributes:
        line: of the file, for messages.
        clip, mask: paths below the root, with ``#name`` behind them for an array of an NPZ file.
        patient, view: of the case; a second clip of the same view is called ``4CH.2``.
        split: ``train``, ``val``, ``test``, a number of a fold, or empty.
        labelled: frames that have a mask, ``"all"``, or None: those whose mask is not empty.
        subgroups: further columns.
        renamed: whether the view was given a number, because an earlier row of the patient has it.
    """

    line: int
    clip: str
    mask: str
    patient: str
    view: str
    split: str
    frame_rate_hz: float | None = None
    spacing_mm: tuple[float, float] | None = None
    ed: int | None = None
    es: int | None = None
    labelled: tuple[int, ...] | str | None = None
    ef_percent: float | None = None
    quality: str | None = None
    subgroups: dict[str, str] = field(default_factory=dict)
    renamed: bool = False


def read_manifest(path: Path) -> list[ManifestRow]:
    """The rows of a manifest.

    Raises:
        DataError: unreadable, a required column is missing, or cells that cannot be meant: the first one, and how many more.
    """
    table = _read_table(path)
    rows: list[ManifestRow] = []
    faults: list[str] = []
    seen: Counter[tuple[str, str]] = Counter()
    for line, cells in table:
        try:
            row = _row(line, cells, seen)
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        rows.append(row)
    if faults:
        more = f" (and {len(faults) - 1} more such lines)" if len(faults) > 1 else ""
        raise DataError(f"{path}, {faults[0]}{more}; correct the file.")
    _refuse_shared_names(rows, path)
    _refuse_equal_rows(rows, path)
    if not rows:
        raise DataError(
            f"{path} has no rows; it needs one per clip, 'echobench data manifest FOLDER' writes a first one."
        )
    return rows


def _refuse_shared_names(rows: Sequence[ManifestRow], path: Path) -> None:
    """Raise ``DataError`` where two clips would have one name: patient ``a`` with view ``b_c``, and ``a_b`` with ``c``."""
    taken: dict[str, ManifestRow] = {}
    for row in rows:
        # Masks, exports and messages know a clip by this name alone.
        name = f"{row.patient}_{row.view}"
        other = taken.setdefault(name, row)
        if other is not row:
            raise DataError(
                f"{path}, lines {other.line} and {row.line}: patient '{other.patient}' with view '{other.view}' and patient "
                f"'{row.patient}' with view '{row.view}' would both be called {name}; rename one of them."
            )


def _refuse_equal_rows(rows: Sequence[ManifestRow], path: Path) -> None:
    """Raise ``DataError`` where two rows are one clip of one patient: it would count twice in every mean."""
    taken: dict[tuple[str, str, str], ManifestRow] = {}
    for row in rows:
        other = taken.setdefault((row.patient, row.clip, row.mask), row)
        if other is not row:
            raise DataError(
                f"{path}, lines {other.line} and {row.line}: the same clip and mask of patient '{row.patient}'; take one out."
            )


def _read_table(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the first column's name.
        with open(path, encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            reader = csv.DictReader(stream, delimiter=_delimiter(first))
            read = [(reader.line_num, row) for row in reader]
            columns = [_key(name) for name in reader.fieldnames or ()]
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; 'echobench data manifest {path.parent}' writes a first one, see docs/your-data.md."
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not a readable table ({error}); save it as CSV in UTF-8.") from error
    if missing := [name for name in REQUIRED if name not in columns]:
        raise DataError(
            f"{path} lacks the column {shorten(missing)}; it needs {', '.join(REQUIRED)}, see docs/your-data.md."
        )
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise DataError(f"{path} has the column {shorten(twice)} twice; take one of them out.")
    # Cells without a column come under None: a decimal comma that was not quoted moves all that follow it.
    if wide := [line for line, row in read if any(cell.strip() for cell in row.get(None) or ())]:
        raise DataError(
            f"{path}, line {wide[0]}: more cells than the {len(columns)} columns (in {counted(len(wide), 'line')}); quote cells that hold a "
            'comma, such as "0,308".'
        )
    rows = [(line, {_key(k): (v or "").strip() for k, v in row.items() if k}) for line, row in read]
    return [(line, cells) for line, cells in rows if any(cells.values())]


def _delimiter(header: str) -> str:
    """What separates the columns: spreadsheets of many countries write semicolons and decimal commas, some write tabs."""
    return next((sign for sign in ",;\t" if sign in header), ",")


def _key(name: str) -> str:
    word = name.strip().lower()
    # The list of `segment` spells it out; a user may keep one table for both.
    return "spacing_col_mm" if word == "spacing_column_mm" else word


def _row(line: int, cells: dict[str, str], seen: Counter[tuple[str, str]]) -> ManifestRow:
    """One row; ``ValueError`` says which cell is wrong."""
    for name in REQUIRED:
        if not cells.get(name):
            raise ValueError(f"the cell '{name}' is empty")
    patient = cells["patient"]
    view = _free_view(patient, cells.get("view") or UNNAMED_VIEW, seen)
    row, column = _number(cells, "spacing_row_mm"), _number(cells, "spacing_col_mm")
    if (row is None) != (column is None):
        raise ValueError("only one of spacing_row_mm and spacing_col_mm is given")
    spacing = None if row is None or column is None else (row, column)
    rate, ef, ed, es = (
        _number(cells, "frame_rate_hz"),
        _number(cells, "ef_percent"),
        _frame(cells, "ed"),
        _frame(cells, "es"),
    )
    if ed is not None and ed == es:
        # An EF of 0 for every model and for the reference too: nothing would look wrong.
        raise ValueError(f"ed and es are the same frame, {ed}; leave both empty where they are not known")
    try:
        stated("", spacing_mm=spacing, frame_rate_hz=rate, ef_percent=ef, ed=ed, es=es)
    except DataError as error:
        raise ValueError(str(error).removesuffix(".")) from None
    return ManifestRow(
        line=line,
        clip=cells["clip"],
        mask=cells["mask"],
        patient=patient,
        view=view,
        split=_split(cells.get("split", "")),
        frame_rate_hz=rate,
        spacing_mm=spacing,
        ed=ed,
        es=es,
        labelled=_frames(cells.get("labelled", "")),
        ef_percent=ef,
        quality=cells.get("quality") or None,
        renamed=view != (cells.get("view") or UNNAMED_VIEW),
        subgroups={key: text for key, text in cells.items() if key not in (*REQUIRED, *OPTIONAL) and text},
    )


def _free_view(patient: str, view: str, seen: Counter[tuple[str, str]]) -> str:
    """The view, or ``view.2``, ``view.3``, ... where earlier rows of the patient have it; ``ValueError`` where it is no name."""
    for word, name in (("patient", patient), ("view", view)):
        # Both become names of files, of exports and of the prepared data.
        if "/" in name or not is_inside(name):
            raise ValueError(
                f"the {word} {name!r} may not become a file's name; use letters, digits, blanks, '.', '-' and '_'"
            )
    seen[patient, view] += 1
    name = view
    if seen[patient, view] > 1:
        # A row may itself be called as we would call a second clip.
        while seen[patient, name := f"{view}.{seen[patient, view]}"]:
            seen[patient, view] += 1
        seen[patient, name] += 1
    return name


def _split(text: str) -> str:
    if not text or text.isdigit():
        return text
    if text.lower() not in SPLIT_WORDS:
        raise ValueError(f"the split '{text}' is none of train, val, test (or the number of a fold)")
    return SPLIT_WORDS[text.lower()]


def _number(cells: dict[str, str], name: str) -> float | None:
    text = cells.get(name, "")
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"{name} is '{text}', which is no number") from None
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {text}; it must be a positive number, leave the cell empty where it is not known")
    return value


def _frame(cells: dict[str, str], name: str) -> int | None:
    text = cells.get(name, "")
    if not text:
        return None
    # Spreadsheets turn a column with gaps into decimals: 7.0.
    whole = re.fullmatch(r"(\d+)(\.0+)?", text)
    if whole is None:
        raise ValueError(f"{name} is '{text}'; it is a frame number, counted from 0")
    return int(whole[1])


def _frames(text: str) -> tuple[int, ...] | str | None:
    if not text or text.lower() == "all":
        return text.lower() or None
    parts = re.split(r"[\s;|]+", text)
    if not all(part.isdigit() for part in parts):
        raise ValueError(f"labelled is '{text}'; give frame numbers with blanks between them, counted from 0, or all")
    return tuple(int(part) for part in parts)


def read_labels_file(path: Path) -> dict[str, tuple[int, ...]]:
    """Values of the masks by structure; ``background`` names values besides 0 that mean none of them.

    Raises:
        DataError: unreadable, not ``name: value`` lines, or a value that two structures have.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        content, node = yaml.safe_load(text), yaml.compose(text)
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; write one line 'name: value' per structure of the masks, such as 'lv: 1'."
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read ({reason}); write one line 'name: value' per structure.") from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} holds no 'name: value' lines; write one per structure of the masks, such as 'lv: 1'.")
    words = [structure_word(key.value) for key, _ in node.value]
    # YAML takes the last of two lines with one name, and names may be spelt in two ways.
    if twice := [name for name, count in Counter(words).items() if count > 1]:
        raise DataError(
            f"{path} names {twice[0]} twice; give all its values in one line, such as '{twice[0]}: [1, 2]'."
        )
    labels = {structure_word(name): _label_values(path, name, value) for name, value in content.items()}
    if BACKGROUND in labels:
        labels[BACKGROUND] = tuple(dict.fromkeys((0, *labels[BACKGROUND])))
    return check_labels(labels, path)


def check_labels(labels: dict[str, tuple[int, ...]], where: Path | str) -> dict[str, tuple[int, ...]]:
    """The labels, or ``DataError`` where two structures share a value, one has 0, or there is none."""
    counts = Counter(value for values in labels.values() for value in values)
    if twice := sorted(value for value, count in counts.items() if count > 1):
        raise DataError(
            f"{where} gives the value {twice[0]} to two structures (0 is background); give each its own value."
        )
    if zero := [name for name, values in labels.items() if 0 in values and name != BACKGROUND]:
        raise DataError(
            f"{where} gives {zero[0]} the value 0, which is the background; give it the value that masks hold."
        )
    if not set(labels) - {BACKGROUND}:
        raise DataError(f"{where} names no structure besides the background; add a line such as 'lv: 1'.")
    return labels


def structure_word(name: Any) -> str:
    """A structure's name as it stands in tables and on the command line: small letters, digits and underscores.

    Raises:
        DataError: nothing of it can be used.

    >>> structure_word("RV Free-Wall")
    'rv_free_wall'
    """
    word = re.sub(r"[^a-z0-9]+", "_", str(name).strip().lower()).strip("_")
    if not _NAME.fullmatch(word):
        raise DataError(f"The structure name '{name}' must begin with a letter, such as lv.")
    return word


def _label_values(path: Path, name: Any, value: Any) -> tuple[int, ...]:
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        raise DataError(f"{path} gives {name} the value {value!r}; a whole number, or a list of them, was expected.")
    return tuple(values)
