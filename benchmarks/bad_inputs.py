"""The bad inputs of the first attempts to break the command line, typed again item by item, as a table.

    python benchmarks/bad_inputs.py                              every item: what it did at first, what is said today
    python benchmarks/bad_inputs.py --kinds M5,M8                some kinds; --items pipe,storage some items
    python benchmarks/bad_inputs.py --write docs/bad-inputs.md   the page of the docs

What was tried is kept in ``build/bad-inputs.json``: a page has every item as it was tried last. Each item is a command line in a process and a folder of its own (``bad_input/``). What happened at first is what was written
down then. Items that need another user or a mount are left out, and counted, where that is not allowed. Exit code 1
where one of them does not end as it should.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from torturing.process import VerbProcess, prepare

if TYPE_CHECKING:
    from bad_input.item import Item, Said

Row = tuple["Item", "Said", str]
HEAD = """# Bad inputs, item by item

Every bad input of the first attempts to break the command line that was written down, typed again. `python benchmarks/bad_inputs.py --write
docs/bad-inputs.md` makes this page; the mechanisms behind it are in [reliability](reliability.md). *Before* is what happened at first,
*exit code* and *says* is what happens today (long sentences are cut). An exit code of 0 stands where the input has a meaning and is
taken as that, with a word on it.
"""


def main() -> None:
    """Print or write the tables."""
    # Before numpy is loaded with its threads by what is imported next.
    prepare()
    from bad_input.clips import clips
    from bad_input.data import data
    from bad_input.item import Said
    from bad_input.options import options
    from bad_input.places import places
    from bad_input.stores import stores

    from harness.leftovers import private_folder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kinds", default="", help="beginnings of kinds with commas between them; all by default")
    parser.add_argument("--items", default="", help="parts of names with commas between them; all by default")
    parser.add_argument(
        "--keep", type=Path, default=Path("build/bad-inputs.json"), help="what was tried last of each item"
    )
    parser.add_argument("--write", type=Path, help="a Markdown page instead of lines on the terminal")
    chosen = parser.parse_args()
    began = time.monotonic()
    everything = [*options(), *clips(), *data(), *stores(), *places()]
    wanted = [
        item
        for item in everything
        if item.kind.startswith(tuple(chosen.kinds.split(",")))
        and any(part in item.name for part in chosen.items.split(","))
    ]
    kept: dict[str, list[Any]] = json.loads(chosen.keep.read_text()) if chosen.keep.is_file() else {}
    with private_folder("echobench-bad-") as root:
        # Another user must find the folders below it.
        root.chmod(0o711)
        made = _trained(root)
        for number, item in enumerate(wanted):
            row = _tried(item, root / str(number) / "here", made)
            print(_line(*row), flush=True)
            kept[f"{item.kind}|{item.name}"] = [row[1].code, row[1].text[-20_000:], row[2]]
            chosen.keep.parent.mkdir(parents=True, exist_ok=True)
            chosen.keep.write_text(json.dumps(kept, indent=1))
    names = [(item, f"{item.kind}|{item.name}") for item in everything]
    rows = [(item, Said(code=kept[key][0], text=kept[key][1]), kept[key][2]) for item, key in names if key in kept]
    wrong = [row for row in rows if row[2]]
    if chosen.write:
        chosen.write.write_text(f"{HEAD}\n{summary(rows)}\n\n{details(rows)}\n")
    print(
        f"\n{summary(rows)}\n\n{len(rows)} of {len(everything)} items, {len(wrong)} not as they should be, {time.monotonic() - began:.0f} s"
    )
    sys.exit(1 if wrong else 0)


def _trained(root: Path) -> Path:
    """The folder in which a suite was trained that many items damage."""
    from torturing.verbs import VERBS, write_inputs

    made = root / "made"
    made.mkdir()
    write_inputs(made)
    if code := VerbProcess(VERBS["bench"], made).wait():
        raise SystemExit(f"The suite ended with {code}:\n{(made / VerbProcess.LOG).read_text()[-2000:]}")
    return made


def _tried(item: Item, folder: Path, made: Path) -> Row:
    from bad_input.item import Place, Said

    folder.mkdir(parents=True)
    folder.parent.chmod(0o755)
    try:
        said = item.work(Place(folder=folder, made=made))
    except Exception as error:
        # Of the item, not of the command: told in its row.
        said = Said(code=-2, text=f"the item itself failed: {type(error).__name__}: {error}")
    finally:
        shutil.rmtree(folder.parent, ignore_errors=True)
    return (
        item,
        Said(code=said.code, text=said.text.replace(str(folder), ".").replace(str(made.parent), "..")),
        item.wrong(said),
    )


def _line(item: Item, said: Said, wrong: str) -> str:
    shown = said.text[-400:] if wrong else _shown(item, said)
    return f"{'WRONG (' + wrong + ') ' if wrong else ''}{item.kind} | {item.name} | {item.before} | {said.code} | {_cell(shown, 400)}"


def _shown(item: Item, said: Said) -> str:
    """The sentence; of a command that went on, the word that it has on the input."""
    text = re.sub(r"[\s│┃]+", " ", said.text)
    match = re.search(item.words, text) if item.words and said.code == 0 else None
    return said.last if match is None else f"... {text[max(0, match.start() - 40) : match.end() + 60]} ..."


def _cell(text: str, longest: int = 150) -> str:
    """Text for a cell of Markdown."""
    plain = " ".join(text.split()).replace("|", "/").replace("<", "&lt;")
    return plain if len(plain) <= longest else f"{plain[: longest - 4]} ..."


def summary(rows: Sequence[Row]) -> str:
    """Markdown: one row per kind, with what its items did at first and do today."""
    lines = ["| kind | items | before | refused in a sentence | taken as meant | wrong |", "|:--|--:|:--|--:|--:|--:|"]
    for kind in sorted({item.kind for item, _, _ in rows}, key=_order):
        mine = [row for row in rows if row[0].kind == kind]
        before: dict[str, int] = {}
        for item, _, _ in mine:
            before[item.before] = before.get(item.before, 0) + 1
        told = ", ".join(f"{count} {what}" for what, count in sorted(before.items(), key=lambda pair: -pair[1])[:4])
        counts = (
            sum(not wrong and said.code != 0 for _, said, wrong in mine),
            sum(not wrong and said.code == 0 for _, said, wrong in mine),
            sum(bool(wrong) for *_, wrong in mine),
        )
        lines.append(f"| {kind} | {len(mine)} | {told} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _order(kind: str) -> tuple[int, int, str]:
    """As the findings have them: B1, M1 to M11, minor."""
    number = "".join(letter for letter in kind.partition(":")[0] if letter.isdigit())
    return ("BM".find(kind[0]) if number else 2, int(number or 0), kind)


def details(rows: Sequence[Row]) -> str:
    """Markdown: a table of the items of each kind."""
    parts = []
    for kind in sorted({item.kind for item, _, _ in rows}, key=_order):
        lines = [f"## {kind}", "", "| item | before | exit code | says |", "|:--|:--|--:|:--|"]
        for item, said, wrong in (row for row in rows if row[0].kind == kind):
            shown = f"**{wrong}** {said.last}" if wrong else _shown(item, said)
            lines.append(f"| {_cell(item.name, 90)} | {item.before} | {said.code} | {_cell(shown)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
