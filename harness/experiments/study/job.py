"""A study on given data: what a worker process needs to know, and what it resolves that to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from harness.errors import ConfigError
from harness.experiments import SuiteOptions, SuitePlan, plan_suite
from harness.experiments.generations import accepted, newest, retrained
from harness.experiments.source import clip_kind, dataset_config, short_name
from harness.experiments.study.cells import study_cells
from harness.experiments.study.reading import load_study
from harness.experiments.study.samplers import build
from harness.experiments.study.storage import StorageAddress
from harness.experiments.study.variant import vary
from harness.files import canonical_hash
from harness.registry import MODELS, load_plugins
from harness.store.formats.study import Cell, Dimension, StudyDefinition
from harness.store.runs import Run, RunSpec, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyJob:
    """What to run; plain values only, so that it can be handed to another process as JSON.

    Attributes:
        study: name or path of the study's config.
        options: base suite; ``models`` is ignored (the study names its model), ``seeds`` replace the study's.
        name: of the stored study and the report.
        storage: of a search; of a factorial study, where its record for optuna-dashboard is written.
        results_dir: results store.
        budget: number of trials of a ``tpe`` study; None takes the config's.
        retry_failed: train variants of a factorial study again whose run failed.
        retrain: train again what is finished, as runs of the next generation; not of a search.
        accept_code: where today's code has no finished run, take the last one of other code, with a mark; not of a search.
        generations: what ``retrain`` came to, by folder of the first generation: a worker must not count up once more.
    """

    study: str
    options: SuiteOptions
    name: str
    storage: StorageAddress
    results_dir: Path
    budget: int | None = None
    retry_failed: bool = False
    retrain: bool = False
    accept_code: bool = False
    generations: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """The job as JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> StudyJob:
        """Read what ``to_json`` wrote."""
        raw = json.loads(text)
        options: dict[str, Any] = {
            # JSON has no tuples; as lists the options would compare unequal to those of the parent process.
            key: tuple(value) if isinstance(value, list) else value
            for key, value in raw["options"].items()
        }
        options["data_root"] = Path(options["data_root"])
        return cls(
            **{
                **raw,
                "options": SuiteOptions(**options),
                "storage": StorageAddress(**raw["storage"]),
                "results_dir": Path(raw["results_dir"]),
            }
        )


@dataclass(kw_only=True, slots=True)
class ResolvedStudy:
    """A study with its data at hand.

    Attributes:
        definition: the study.
        plan: the base suite's plan: one spec per seed, and the data.
        cells: variants, the full model first; empty for a ``tpe`` study.
        store: the results store.
        generations: see ``StudyJob``.
        accepted: runs of other code that stand for today's, by the folder that today's run would have.
    """

    definition: StudyDefinition
    plan: SuitePlan
    cells: list[Cell]
    store: RunStore
    generations: dict[str, int] = field(default_factory=dict)
    accepted: dict[str, Run] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """Hash of what is varied and of what it is varied from; seeds and budget may grow."""
        fixed = {
            # Seeds and budget are left out so that a study can be enlarged; recipes, because the resolved spec below
            # holds the chosen one.
            key: value
            for key, value in asdict(self.definition).items()
            if key not in ("seeds", "budget", "recipes")
        }
        base = asdict(self.plan.specs[0])
        return canonical_hash([fixed, {**base, "seed": 0}], length=16)

    def spec(self, overrides: Mapping[str, Any], seed: int) -> RunSpec:
        """Spec of one trial."""
        return vary(next(spec for spec in self.plan.specs if spec.seed == seed), overrides)

    def asked(self, cell: Cell, seed: int) -> RunSpec:
        """Spec of a cell and seed in the generation that is asked for: the newest one, unless it is trained again."""
        spec = self.spec(cell.overrides, seed)
        generation = self.generations.get(spec.folder)
        return newest(self.store, spec) if generation is None else dataclasses.replace(spec, generation=generation)

    def run(self, cell: Cell, seed: int) -> Run:
        """The run of a cell and seed, in whatever state, or the run of other code that stands for it."""
        spec = self.asked(cell, seed)
        return self.accepted.get(spec.folder) or self.store.open(spec)

    def trainings(self) -> list[RunSpec]:
        """Specs of all runs that are to be finished, each variant once before any has its second seed."""
        # So every variant has a number after the first round, whenever the study is stopped.
        specs = [self.asked(cell, seed) for seed in self.definition.seeds for cell in self.cells]
        return [spec for spec in specs if spec.folder not in self.accepted]


def resolve(job: StudyJob, progress: bool = True) -> ResolvedStudy:
    """Read the study, plan its base suite (data included) and check every variant before the first is trained.

    Raises:
        ConfigError, DataError: one sentence about the first thing that is wrong.
    """
    definition = load_study(job.study)
    cells = [] if definition.kind == "tpe" else study_cells(definition)
    if job.options.seeds:
        definition = dataclasses.replace(definition, seeds=tuple(job.options.seeds))
    if job.budget:
        definition = dataclasses.replace(definition, budget=job.budget)
    plan = plan_suite(base_options(definition, job.options), progress)
    resolved = ResolvedStudy(definition=definition, plan=plan, cells=cells, store=RunStore(job.results_dir))
    for cell in cells:
        # Of the first seed: the seed changes no length.
        _check_clips(definition, cell, resolved.spec(cell.overrides, definition.seeds[0]), plan)
    if definition.kind == "tpe":
        # One point of the space for its refusal: a misspelt key is said now and not by every trial.
        resolved.spec({one.sets: _first_value(one) for one in definition.space}, definition.seeds[0])
        build("samplers", definition.sampler or {"type": "TPESampler"})
        build("pruners", definition.pruner or {"type": "NopPruner"})
    _choose_runs(job, resolved)
    return resolved


def _choose_runs(job: StudyJob, resolved: ResolvedStudy) -> None:
    """Decide which runs are trained again and which of other code are taken.

    Raises:
        ConfigError: asked of a search.
    """
    if not job.retrain and not job.accept_code:
        return
    if resolved.definition.kind == "tpe":
        # Its points follow from the scores of those before: trained again they would be other points.
        raise ConfigError(
            "--retrain and --accept-code are for factorial studies; a search is made again under a name of its own "
            "(--study-name) and takes what is finished."
        )
    if job.accept_code:
        resolved.accepted = accepted(resolved.store, resolved.trainings())
    if job.retrain:
        specs = [resolved.spec(cell.overrides, seed) for cell in resolved.cells for seed in resolved.definition.seeds]
        counted = {spec.folder: retrained(resolved.store, spec).generation for spec in specs}
        resolved.generations = job.generations or counted


def check_models(resolved: ResolvedStudy) -> None:
    """Build the model of every variant once, so that a value that it refuses is told before the first is trained.

    Raises:
        ConfigError: the model refuses the arguments of a variant.
    """
    load_plugins()
    for cell in resolved.cells:
        model = resolved.spec(cell.overrides, resolved.definition.seeds[0]).model["build"]
        try:
            MODELS.build(dict(model))
        except (TypeError, ValueError) as error:
            name = resolved.definition.variant_name(cell.levels)
            raise ConfigError(
                f"The variant '{name}' of the study '{resolved.definition.name}' cannot be built: {error}"
            ) from error


def _first_value(one: Dimension) -> Any:
    return one.options["choices"][0] if one.type == "categorical" else one.options["low"]


def _check_clips(study: StudyDefinition, cell: Cell, spec: RunSpec, plan: SuitePlan) -> None:
    """Clips longer than any there is would only repeat frames: such variants are no variants."""
    longest = max(record.count for record in plan.cache.records)
    wanted = spec.recipe["clip_length"]
    if wanted > max(longest, plan.specs[0].recipe["clip_length"]):
        raise ConfigError(
            f"The variant '{study.variant_name(cell.levels)}' of the study '{study.name}' asks for clips of {wanted} "
            f"frames, the longest of this dataset has {longest}; use whole sequences (--clip half) or another study."
        )


def base_options(study: StudyDefinition, options: SuiteOptions) -> SuiteOptions:
    """Options of the base suite: the command line's, else the study's; its recipes hold for the size ``small``."""
    chosen = {key: value for key, value in study.suite.items() if getattr(options, key) is None}
    merged = dataclasses.replace(options, **chosen, models=(study.model,), seeds=study.seeds, name=None)
    if merged.recipe is None and merged.size in (None, "small") and merged.suite == "small":
        return dataclasses.replace(merged, recipe=study_recipe(study, merged))
    return merged


def study_recipe(study: StudyDefinition, options: SuiteOptions) -> str | None:
    """The study's recipe for a dataset, or for one kind of its clips (``camus_ed_es``); None where it names none."""
    dataset = options.dataset or "phantom"
    cfg = dataset_config(dataset, {"root": options.root, "clip": options.clip})
    return study.recipes.get(f"{short_name(dataset)}_{clip_kind(cfg)}", study.recipes.get(short_name(dataset)))


def suggest(study: StudyDefinition, trial: BaseTrial) -> dict[str, Any]:
    """Draw a point of the study's space; returns its overrides."""
    draw: dict[str, Callable[..., Any]] = {
        "float": trial.suggest_float,
        "int": trial.suggest_int,
        "categorical": trial.suggest_categorical,
    }
    return {one.sets: draw[one.type](one.name, **one.options) for one in study.space}
