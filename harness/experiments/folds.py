"""Cross-validation as one suite: a plan per fold, each patient tested in one of them."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import ConfigError
from harness.experiments.options import SuiteOptions, dataset_of
from harness.experiments.plan import SuitePlan, plan_suite
from harness.experiments.source import short_name
from harness.phantom.cine import build_dataset


def fold_options(options: SuiteOptions) -> list[SuiteOptions]:
    """The options of each fold of a cross-validation, in the order of the folds' numbers.

    The folds are those that the data state (a column of numbers, lists of folds), else they are drawn by patient.

    Raises:
        ConfigError: the data have no folds, or another number of them; or one fold was asked for as well.
        DataError: the data cannot be opened.
    """
    if options.fold is not None:
        raise ConfigError("--fold tests one fold and --folds tests all of them; give one of the two.")
    count, name, cfg = options.folds, *dataset_of(options)
    build = dict(cfg["dataset"])
    if "fold" not in build:
        raise ConfigError(
            f"The dataset '{short_name(name)}' has no folds; --folds needs own data, lists of folds or EchoNet-Pediatric."
        )
    if build.get("root") is None:
        raise ConfigError(f"The dataset '{short_name(name)}' needs its folder: give --root PATH.")
    drawn: tuple[str, ...] = ()
    if "folds" in build:
        build["folds"], drawn = count, (f"dataset.folds={count}",)
    numbers = sorted(set(build_dataset(build).fold_of_patient().values()))
    if not numbers:
        raise ConfigError(
            f"The data in {build['root']} are in train, val and test and have no folds; leave the column split empty and folds are "
            "drawn by patient, or give --split-dir with lists of folds."
        )
    if len(numbers) != count:
        raise ConfigError(
            f"The data in {build['root']} are divided into {len(numbers)} folds, and --folds {count} was asked for; "
            f"give --folds {len(numbers)}."
        )
    return [replace(options, folds=None, fold=number, overrides=(*options.overrides, *drawn)) for number in numbers]


def plan_folds(options: SuiteOptions, progress: bool = True) -> list[SuitePlan]:
    """The plans of all folds; of options without ``folds`` the one plan there is. Cost is measured in the first fold alone.

    Raises:
        ConfigError, DataError: see ``fold_options`` and ``plan_suite``.
    """
    if options.folds is None:
        return [plan_suite(options, progress)]
    plans = [plan_suite(each, progress) for each in fold_options(options)]
    return [plans[0], *(replace(plan, profile=None) for plan in plans[1:])]
