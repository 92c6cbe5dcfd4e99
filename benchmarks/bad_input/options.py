"""Options, overrides, configs and names that are wrong: all of them are refused before anything is generated or trained."""

from __future__ import annotations

from typing import Any

from bad_input.item import ACCEPTED, LINES, TRACEBACK, Item, Place, Said, Work
from bad_input.tables import loaded

SMALL = ("--set", "generate.patients=(1, 1, 1)", "--set", "models.unet.widths=(4, 8)", "--set", "recipe.image_size=32")
BENCH = ("bench", "--models", "unet", *SMALL)
SILENT = ("recipe=5", "models.unet=5", "models=5", "profile=5", "recipe.image_size=1", "recipe.loss.ce=-1")
"""Overrides that were dropped or taken in silence; the others ended in a traceback, some of them after hours."""


def bench(*more: str, plain: bool = False) -> Work:
    """A suite of one small model (``plain``: without its overrides), which must not come so far that data are made."""

    def work(place: Place) -> Said:
        said = place.echobench(*(BENCH[:3] if plain else BENCH), *more)
        made = [path.name for path in place.folder.glob("data/*")]
        return Said(code=-1, text=f"made {made} first: {said.text}") if made else said

    return work


def with_file(option: str, content: str, *more: str) -> Work:
    """The same with a config of one's own."""

    def work(place: Place) -> Said:
        return bench(option, str(place.file("mine.py", content)), *more, plain=True)(place)

    return work


def options() -> list[Item]:
    """All of them: the tables of the tests, typed, and what stands beside them in the findings."""
    table = loaded("test_bad_options")
    items = [
        Item(
            kind="M9 and minor: overrides",
            name=override,
            before=ACCEPTED if override in SILENT else TRACEBACK,
            work=bench("--set", override),
            words=sentence,
        )
        for override, sentence in table.WRONG
    ]
    for kind, text, sentence in table.CONFIGS:
        shown = text.replace("\n", "; ")
        before = LINES if "first" in text else "exit code 0, no word" if "exit" in text else TRACEBACK
        option = f"--{kind}"
        items.append(
            Item(
                kind="Minor: config files",
                name=f"{kind}: {shown}",
                before=before,
                work=with_file(option, text + "\n"),
                words=sentence,
            )
        )
    return [*items, *_beside(), *_names()]


def _beside() -> list[Item]:
    """Options of other verbs, and configs whose modules are absent or end the process."""
    kind = "Minor: options"
    rows: list[tuple[str, str, Work, str]] = [
        ("--seeds -1", TRACEBACK, bench("--seeds", "-1"), "seeds must be 0 or more"),
        ("--seeds of 20 digits", TRACEBACK, bench("--seeds", "9" * 20), "seeds must be less than"),
        ("--seeds a", TRACEBACK, bench("--seeds", "a"), "seeds|integer"),
        ("--models unet:foo", ACCEPTED, bench("--models", "unet:foo"), "'unet' is no family"),
        ("--models mmseg:nope", TRACEBACK, bench("--models", "mmseg:nope"), "mmseg|nope"),
        ("--models unt", TRACEBACK, bench("--models", "unt"), "Did you mean 'unet'"),
        ("--set recipe.loss with neither part", ACCEPTED, bench("--set", "recipe.loss.ce=0", "--set", "recipe.loss.dice=0"), "loss"),
        ("--set without =", TRACEBACK, bench("--set", "recipe.iterations"), "KEY=VALUE|="),
        ("a Popen as augmentation", "executed", bench("--set", 'recipe.augment=[{"type": "subprocess.Popen", "args": ["touch", "made"]}]'), "no registered name"),
        ("custom_imports of an absent module", LINES, bench("--set", 'recipe.custom_imports=["no_such_module"]'), "cannot be imported"),
        ("a module of one's own that ends the process", "exit code 0, no word", _ending(), "cannot be imported"),
        ("a module of one's own that raises two lines", LINES, _raising(), "first"),
        ("segment --device meta", TRACEBACK, _segment("--device", "meta"), "meta"),
        ("segment --spacing 1e-300,1e-300", TRACEBACK, _segment("--spacing", "1e-300,1e-300"), "must be greater than"),
        ("segment --spacing a,b", TRACEBACK, _segment("--spacing", "a,b"), "spacing"),
        ("segment --frame-rate 0", TRACEBACK, _segment("--frame-rate", "0"), "must be greater than 0"),
        ("segment --frame-rate nan", TRACEBACK, _segment("--frame-rate", "nan"), "must be"),
        ("segment --max-frames 0", TRACEBACK, _segment("--max-frames", "0"), "at least 1"),
        ("segment --crop outside", TRACEBACK, _segment("--crop", "0,0,999,999"), "does not lie inside"),
    ]  # fmt: skip
    return [Item(kind=kind, name=name, before=before, work=work, words=words) for name, before, work, words in rows]


def _segment(*more: str) -> Work:
    def work(place: Place) -> Said:
        place.with_results()
        said = place.echobench("segment", "clip.nii.gz", "--run", "unet-small-s0", "--out", "out", *more)
        return Said(code=-1, text=f"left a folder: {said.text}") if (place.folder / "out").exists() else said

    return work


def _module(content: str) -> Work:
    def work(place: Place) -> Said:
        return bench("--set", f"recipe.custom_imports={[str(place.file('mine.py', content))]!r}")(place)

    return work


def _ending() -> Work:
    return _module("import sys\nsys.exit(0)\n")


def _raising() -> Work:
    return _module("raise ValueError('first\\nsecond')\n")


def _names() -> list[Item]:
    """Names that would become paths."""
    rows: list[tuple[str, tuple[str, ...]]] = [
        *((f"bench --report {name!r}", (*BENCH, "--report", name)) for name in ("../../x", "/abs", "a/b", "a\nb", "..")),
        *((f"ablate --study-name {name!r}", ("ablate", "modules", "--recipe", "smoke", "--study-name", name)) for name in ("../../x", "/abs", "a/b")),
        *((f"report {name!r}", ("report", name)) for name in ("../../x", "/abs")),
    ]  # fmt: skip
    return [Item(kind="Minor: names that become paths", name=name, before="written outside", work=_inside(words),
                 words=r"may not|Unknown report") for name, words in rows]  # fmt: skip


def _inside(words: tuple[str, ...]) -> Work:
    """Whatever is typed, nothing may appear beside the folder of the item."""

    def work(place: Place) -> Said:
        outside: Any = set(place.folder.parent.iterdir())
        said = place.echobench(*words)
        new = [path.name for path in place.folder.parent.iterdir() if path not in outside]
        return Said(code=-1, text=f"written outside: {new}") if new else said

    return work
