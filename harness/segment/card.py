"""What a published model says of itself: what it is, what it was trained on, how well it does, and where it fails."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from harness import config
from harness.clip import structure_names
from harness.data import PreparedCache
from harness.errors import ConfigError, DataError
from harness.experiments.sweep.clips import prepared_of
from harness.experiments.trained import maker_of
from harness.results.frames import at_ends
from harness.results.measures import DICE, HD95, HD95_PX, Measure, Selection, ef_error
from harness.results.run_results import read_run
from harness.schema import Listed, Schema, Seed, Whole
from harness.segment.trust.training_range import TrainingRange, training_range
from harness.statistics.bootstrap import mean_interval
from harness.statistics.failures import failure_rate
from harness.statistics.patients import ef_methods
from harness.store.runs import Run

POOR_DICE = 85.0
"""Below this Dice in percent a segmentation is called a failure in cards and flags (two observers agree on more)."""
DRAWN = ("phantom",)
"""Data sets that are drawn by formula: what is trained on them is a demonstration."""
UNKNOWN_TERMS = "Not stated; ask the owners of the data before you pass these weights on."

Names = Annotated[tuple[str, ...], Listed]


class ModelFacts(Schema):
    """Name, size and label of a model, the registry config that builds it, and modules that register it."""

    name: str
    size: str
    label: str
    build: dict[str, Any]
    custom_imports: Names = ()


class TrainingFacts(Schema):
    """What a model was trained on and how; ``fingerprint`` tells these data from all others."""

    dataset: str
    views: Names
    clip: str
    fingerprint: str
    mark: str | None
    terms: str
    patients: dict[str, Whole]
    recipe: dict[str, Any]
    seed: Seed
    device: str
    precision: str
    code: str


class Score(Schema):
    """Mean of a measure over test patients with its 95 % interval; no limits below ten patients."""

    measure: str
    structure: str
    unit: str
    mean: float
    low: float | None
    high: float | None
    patients: Whole


class Card(Schema):
    """Everything of a weights file but the tensors.

    Attributes:
        name, identity: of the run.
        echobench: version that wrote the file.
        demonstration: trained on drawn data.
        first_mask: the model that makes the first mask, where the run has one.
        scores: on the run's own test patients.
        known_failures: sentences.
        range: what its training data were like, for the flags; None where they were not at hand.
    """

    name: str
    identity: str
    echobench: str
    demonstration: bool
    model: ModelFacts
    first_mask: ModelFacts | None
    structures: Names
    image_size: Whole
    first_frame: str
    training: TrainingFacts
    scores: Annotated[tuple[Score, ...], Listed]
    known_failures: Names
    range: TrainingRange | None


def card_of(run: Run, data_dir: Path, terms: str | None = None) -> Card:
    """The card of a finished run.

    Args:
        data_dir: where its prepared data are looked for, to count patients and to measure the range of the training set.
        terms: licence terms of the data; None as the data set's config states them.

    Raises:
        ConfigError: the model lies in a file of the user's own, which no weights file holds.
        BenchError: the run's rows are missing or damaged.
    """
    spec = run.spec
    maker = maker_of(run)
    cache = _prepared(run, data_dir)
    dataset = str(spec.data["dataset"])
    return Card(
        name=run.name,
        identity=spec.identity,
        echobench=metadata.version("echobench"),
        demonstration=dataset in DRAWN,
        model=_model(run),
        first_mask=None if maker is None else _model(maker),
        structures=structure_names(spec.protocol["structures"]),
        image_size=int(spec.recipe["image_size"]),
        first_frame=str(spec.protocol["first_frame"]),
        training=TrainingFacts(
            dataset=dataset,
            views=tuple(spec.data.get("views") or ()),
            clip=str(spec.data.get("clip", "")),
            fingerprint=str(spec.data["fingerprint"]),
            mark=spec.data.get("mark"),
            terms=terms or stated_terms(dataset) or UNKNOWN_TERMS,
            patients=_patients(cache) if cache else {},
            recipe=without_folders(spec.recipe),
            seed=spec.seed,
            device=spec.device,
            precision=spec.precision,
            code=spec.code,
        ),
        scores=tuple(_scores(run)),
        known_failures=tuple(_failures(run)),
        range=None if cache is None else training_range(cache),
    )


def stated_terms(dataset: str) -> str | None:
    """Licence terms that the config of a data set states; None for one of the user's own."""
    if dataset not in config.list_configs("datasets"):
        return None
    terms = config.load("datasets", dataset).get("terms")
    return None if terms is None else str(terms)


def without_folders(value: Any) -> Any:
    """The same plain values; of every absolute path only its last name: folders tell who worked where.

    >>> without_folders({"weights": "/home/me/a.pth", "rate": 0.1, "steps": ["~/b.py"]})
    {'weights': 'a.pth', 'rate': 0.1, 'steps': ['b.py']}
    """
    if isinstance(value, dict):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(item) for item in value]
    rooted = isinstance(value, str) and (value.startswith(("/", "~", "\\")) or value[1:3] == ":\\")
    return value.replace("\\", "/").rstrip("/").rpartition("/")[2] if rooted else value


def _model(run: Run) -> ModelFacts:
    model = run.spec.model
    imports = tuple(model.get("custom_imports", ()))
    if files := [name for name in imports if name.endswith(".py")]:
        raise ConfigError(
            f"The model of {run.name} lies in a file of your own ({Path(files[0]).name}), and a weights file holds no code; make "
            "it a package with the entry point echobench.plugins (docs/add-a-model.md) and train it again."
        )
    facts = {key: str(model[key]) for key in ("name", "size")}
    label = str(model.get("label") or model["name"])
    return ModelFacts(
        **facts, label=label, build=self_contained(without_folders(model["build"])), custom_imports=imports
    )


def self_contained(build: dict[str, Any]) -> dict[str, Any]:
    """A model's config without files of weights to begin with: those of the end are at hand.

    >>> self_contained({"type": "STM", "pretrained": "resnet50.pth"})
    {'type': 'STM', 'pretrained': None}
    """
    return {key: None if key.endswith("pretrained") else value for key, value in build.items()}


def _prepared(run: Run, data_dir: Path) -> PreparedCache | None:
    try:
        return prepared_of(run.spec, data_dir)
    except DataError:
        return None


def _patients(cache: PreparedCache) -> dict[str, int]:
    splits = dict.fromkeys(record.case.split for record in cache.records)
    return {name: len({r.case.patient for r in cache.records if r.case.split == name}) for name in splits}


def _measures(run: Run) -> Iterator[tuple[str, str, Measure]]:
    """(shown name, structure or empty, measure) of everything that a card states."""
    for structure in structure_names(run.spec.protocol["structures"]):
        yield "Dice", structure, DICE
        yield "HD95", structure, HD95
        yield "HD95", structure, HD95_PX
    for method in ef_methods(run.rows())[:1]:
        yield f"EF error ({method}, against the reference masks)", "", ef_error(method)


def _scores(run: Run) -> Iterator[Score]:
    rows = at_ends(read_run(run).test)
    for name, structure, measure in _measures(run):
        table = measure.by_patient(rows, Selection(structure=structure or None))
        values = table.to_numpy(dtype=float).ravel()
        values = values[[math.isfinite(value) for value in values]]
        if not len(values):
            continue
        interval = mean_interval(values)
        limits = [round(limit, 4) if math.isfinite(limit) else None for limit in (interval.low, interval.high)]
        yield Score(
            measure=name,
            structure=structure,
            unit=measure.unit,
            mean=round(interval.point, 4),
            low=limits[0],
            high=limits[1],
            patients=len(values),
        )


def _failures(run: Run) -> Iterator[str]:
    """What went wrong on the test patients, counted, and what was never tried; no patient is named."""
    rows = at_ends(read_run(run).test)
    for structure in structure_names(run.spec.protocol["structures"]):
        dice = DICE.by_patient(rows, Selection(structure=structure)).to_numpy(dtype=float).ravel()
        dice = dice[[math.isfinite(value) for value in dice]]
        if len(dice):
            poor = failure_rate(int((dice < POOR_DICE).sum()), len(dice))
            yield (
                f"{poor.failed} of {poor.n} test patients have a Dice of the {structure} below {POOR_DICE:.0f} % "
                f"({100 * poor.low:.1f} to {100 * poor.high:.1f} % of patients like these); the lowest is {dice.min():.1f} %."
            )
        empty = rows[(rows["metric"] == "empty") & (rows["structure"] == structure)]["value"]
        if len(empty):
            yield f"{int((empty == 2).sum())} of {len(empty)} test masks of the {structure} are empty on one side only."
    for method in ef_methods(rows)[:1]:
        predicted = rows[rows["metric"] == f"ef_{method}_predicted"]["value"]
        yield f"The EF ({method}) could not be computed for {int(predicted.isna().sum())} of {len(predicted)} test patients."
    views = " and ".join(run.spec.data.get("views") or ()) or "the views of its data"
    yield f"Only {views} of the data set {run.spec.data['dataset']} were shown to it: other views, machines and patients are untried."
    yield "The apex has to point up in the picture; a turned or mirrored one is another picture to it."
