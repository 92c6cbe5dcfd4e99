"""A report that grows: begun before its runs are made, holding what was there before and every run of its condition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.results.condition import Condition, condition_of, finished_runs
from harness.statistics.margins import Criteria
from harness.store.formats.manifest import Manifest, find_manifest
from harness.store.runs import Run, RunSpec, RunStore


@dataclass(frozen=True, kw_only=True, slots=True)
class BegunReport:
    """A report whose runs are about to be made.

    Attributes:
        name: its name.
        others: runs that it holds besides those asked for.
        order: what was asked of each run (``RunSpec.question``), in the order of the table.
        left_out: finished runs that were in the report and were made by other code.
    """

    name: str
    others: tuple[Run, ...]
    order: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    def runs(self, made: Iterable[Run]) -> list[Run]:
        """The runs of the table: those just made and the others, in their order."""
        return sorted([*made, *self.others], key=lambda run: self.order.index(run.spec.question))


def begin_report(
    reports_dir: Path,
    name: str,
    specs: Sequence[RunSpec],
    store: RunStore,
    *,
    named: bool,
    reference: str,
    command: str,
    criteria: Criteria,
    condition: Condition | None = None,
) -> BegunReport:
    """Write the manifest of a suite's report before its runs are made: a bench that is killed leaves one to report from.

    The report keeps the runs that it had, and takes every finished run of its condition from the store unless the user
    named it. What is asked for anew replaces the run that answered the same question; runs of other code are left out.

    Args:
        reports_dir: folder of all reports.
        name: the report's; a report of that name and another condition keeps it, and this one gets a longer name.
        specs: of the runs that are asked for.
        store: where runs lie.
        named: whether the user chose the name.
        reference, command, criteria: of the report.
        condition: of the report, where the specs do not say it: masks made elsewhere join one.

    Raises:
        ConfigError: the user's own name belongs to a report of another condition.
    """
    condition = condition or condition_of(*specs)
    before = find_manifest(Path(reports_dir) / name, "suite")
    if before is not None and before.condition not in ("", condition.key):
        if named:
            raise ConfigError(
                f"The report {name} in {reports_dir} is of another condition (data, recipe, protocol or size); "
                "choose another --name, or remove its folder."
            )
        # The name was made from the options and is taken by another recipe or data; the key tells the two apart.
        name = f"{name}-{condition.key[:6]}"
        before = find_manifest(Path(reports_dir) / name, "suite")
    stored = {run.name: run for run in store.all()}
    earlier = [stored[run] for run in before.runs if run in stored] if before else []
    for run in earlier:
        # An acceptance holds for the report in which it was given, and only there.
        if before and run.name in before.accepted:
            run.accept(**before.accepted[run.name])
    asked = {spec.question: spec.folder for spec in specs}
    joining = [] if named else finished_runs(stored.values(), condition)
    # Runs that the report already had come second and win: what is in a report stays in it.
    known = {run.spec.question: run for run in joining}
    known |= {run.spec.question: run for run in earlier}
    others = {question: run for question, run in known.items() if question not in asked}
    stale = {question: run for question, run in others.items() if run.other_code and not run.accepted}
    kept = {question: run for question, run in others.items() if question not in stale}
    order = dict.fromkeys([*(run.spec.question for run in earlier), *asked, *kept])
    names = tuple(asked[key] if key in asked else kept[key].name for key in order if key in asked or key in kept)
    Manifest(
        kind="suite",
        name=name,
        dataset=specs[0].data["dataset"],
        reference=reference,
        command=command,
        runs=names,
        # No tables yet where a run is new: the report that lies there is not of these runs.
        tables=before.tables if before and before.runs == names else (),
        sections=before.sections if before else "",
        condition=condition.key,
        criteria=criteria.record(),
    ).write(Path(reports_dir) / name)
    left_out = tuple(run.name for run in stale.values() if run in earlier)
    return BegunReport(name=name, others=tuple(kept.values()), order=tuple(order), left_out=left_out)
