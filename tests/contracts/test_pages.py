"""The tutorials and the pages on adding things, followed word for word in a scratch folder outside the tree."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from pages import Page, tiny_configs, type_command

from harness.cli import bench as bench_verb  # noqa: F401  (imported before the working folder changes)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty folder to work in, for all pages: a phantom and a cache that one page has made serve the next."""
    folder = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOBENCH_CONFIGS", str(tiny_configs(tmp_path_factory.mktemp("configs"))))
        work = folder / "work"
        work.mkdir()
        patch.chdir(work)
        # Cost and figures have tests of their own and are most of the time here.
        patch.setattr("harness.experiments.bench.measure_costs", lambda *args, **options: [])
        patch.setattr("harness.reporting.report._figures", lambda *args: iter(()))
        patch.setattr("harness.reporting.report.write_paper", lambda *args: [])
        patch.setattr("harness.reporting.section_report._robustness_figures", lambda *args: iter(()))
        patch.setattr("harness.reporting.section_report.study_figures", lambda *args: iter(()))
        patch.setattr("sys.argv", ["echobench"])
        yield work


def follow(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Write the page's files and type its commands; everything that they printed."""
    page = Page.read(name)
    page.write(Path())
    said = ""
    for command in page.commands:
        code = type_command(command)
        out, err = capsys.readouterr()
        said += out + err
        assert code == 0, f"{command}\n{out}\n{err}"
    return said


def test_your_data(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = follow("your-data", capsys)
    manifest = pd.read_csv(scratch / "mydata" / "manifest.csv")
    assert manifest.groupby("split")["patient"].nunique().to_dict() == {"train": 3, "val": 2, "test": 2}
    assert {"ed", "es", "spacing_row_mm"} <= set(manifest)
    assert "No errors" in said
    assert said.count("Data: folder") == 1
    table = pd.read_csv(scratch / "reports" / "mine" / "table.csv")
    assert table["patients"].tolist() == [2]
    assert sorted(path.name for path in (scratch / "mydata").iterdir() if path.is_file()) == [
        "cases.csv", "labels.yaml", "manifest.csv",
    ]  # fmt: skip


def test_your_method_against_ours(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = follow("score", capsys)
    rows = pd.read_csv(scratch / "reports" / "beside" / "table.csv", index_col=0)
    assert rows.loc["Mine", "dice"] == pytest.approx(100)
    assert "U-Net" in rows.index
    assert "The masks of Mine were made elsewhere" in said


def test_a_perturbation_of_ones_own(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow("add-a-perturbation", capsys)
    ladder = pd.read_csv(scratch / "stripes.csv", comment="#")
    assert ladder["perturbation"].unique().tolist() == ["stripes"]
    assert ladder["strength"].is_monotonic_increasing
    (rows,) = (scratch / "results").glob("runs/*/*/robustness/stripes.csv")
    before = pd.read_csv(rows)
    assert sorted(before["severity"].unique()) == [1, 2, 3, 4, 5]
    assert before["strength"].drop_duplicates().tolist() == pytest.approx(ladder["strength"].tolist())
    assert "stripes" in "".join(path.read_text() for path in (scratch / "reports/trial/robustness").glob("*.md"))
    assert "stripes" in (scratch / "reports/trial/index.html").read_text()
    # Other code under the same name and strengths is another perturbation: its rows are made anew.
    file = scratch / "stripes.py"
    file.write_text(file.read_text().replace("depth / 3", "depth / 5"))
    speckle = rows.with_name("speckle.csv").read_bytes()
    assert type_command("echobench robustness run --report trial --perturbations stripes.py --severities 5") == 0
    after = pd.read_csv(rows)
    assert after["severity"].unique().tolist() == [5]
    hashes = [set(table.loc[table["severity"] == 5, "clip_hash"].dropna()) for table in (before, after)]
    assert not hashes[0] & hashes[1]
    assert rows.with_name("speckle.csv").read_bytes() == speckle


def test_a_metric_of_ones_own(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = follow("add-a-metric", capsys)
    report = scratch / "reports" / "measured"
    (table,) = (report / "metrics").glob("metrics_phantom*.csv")
    assert "lv area_error_percent" in set(pd.read_csv(table)["metric"])
    assert "area_error_percent" in (report / "index.html").read_text()
    assert "measured" in said
    (rows,) = (scratch / "results").glob("runs/phantom/*/robustness/speckle.csv")
    assert (pd.read_csv(rows)["metric"] == "area_error_percent").any()
    assert type_command("echobench verify measured") == 0
    # A cell that somebody has changed by hand does not pass.
    figure = pd.read_csv(table).iloc[0, -1]
    table.write_text(table.read_text().replace(f"lv dice,{figure}", "lv dice,77.7"))
    assert type_command("echobench verify measured") == 1


def test_a_study_of_ones_own(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow("add-a-study", capsys)
    (table,) = (scratch / "reports").glob("width_study*/ablation.csv")
    assert len(pd.read_csv(table)) == 3


def test_a_data_set_of_ones_own(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = follow("add-a-data-set", capsys)
    assert "Archive: stored" in said
    table = pd.read_csv(scratch / "reports" / "archive" / "table.csv")
    assert table["patients"].tolist() == [2]
    (run,) = (scratch / "results" / "runs").glob("archive_config/unet-*")
    assert pd.read_csv(run / "cases.csv")["dataset"].unique().tolist() == ["archive"]


def test_an_engine_of_ones_own(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Page.read("add-an-engine").write(Path())
    runpy.run_path(str(scratch / "same.py"))
    follow("add-an-engine", capsys)
    (profile,) = (scratch / "results" / "profile").glob("*.csv")
    assert set(pd.read_csv(profile)["engine"]) >= {"eager", "channels_last"}


def test_a_papers_row_is_reproduced(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = follow("reproduce", capsys)
    table = pd.read_csv(scratch / "reports" / "row" / "table.csv", index_col=0)
    kept = pd.read_csv(scratch / "kept" / "reports" / "row" / "table.csv", index_col=0)
    pd.testing.assert_frame_equal(kept, table)
    assert "published" in said
    assert list((scratch / "reports" / "row").glob("published_*.csv"))
    # What travels holds neither weights nor pictures.
    assert not [path for path in (scratch / "kept" / "runs").rglob("*") if path.suffix in (".pth", ".npz")]
