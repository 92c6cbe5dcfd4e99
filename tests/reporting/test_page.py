"""The page in a real headless browser: it opens without errors, sorts, filters, plays, and fetches nothing."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.reporting.page.page import page
from harness.reporting.page.players import contour_path, player
from harness.reporting.page.provenance import origin
from harness.reporting.page.verdicts import suite_verdicts
from harness.reporting.tables.all_cases import case_table
from harness.reporting.tables.main_comparison import main_table
from harness.reporting.tables.paired_comparisons import comparison_table
from harness.results.pictures import COMMON, FAULT, CasePicture
from harness.results.result_set import ResultSet
from harness.results.run_results import RunResults

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=6000",
)  # fmt: skip

WATCH = (
    "<script>window.problems = []; addEventListener('error', (e) => problems.push(String(e.message)), true);</script>"
)
PROBE = """
<script>
addEventListener("load", async () => {
  const found = {};
  const block = document.querySelector("#table-table"), table = block.querySelector("table");
  const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith("Dice"));
  const values = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.key).filter(Boolean).map(Number);
  const button = table.tHead.rows[0].cells[column].querySelector("button");
  button.click();
  found.ascending = values(); found.sorted = table.tHead.rows[0].cells[column].getAttribute("aria-sort");
  button.click();
  found.descending = values();
  const input = block.querySelector("input[type=search]");
  input.value = "xmem"; input.dispatchEvent(new Event("input"));
  found.left = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent.trim());
  found.told = block.querySelector("output").textContent;
  const figure = document.querySelector(".player"), slider = figure.querySelector("input");
  const before = figure.querySelector("path.reference").getAttribute("d");
  slider.value = 1; slider.dispatchEvent(new Event("input"));
  found.moved = before !== figure.querySelector("path.reference").getAttribute("d");
  found.frame = figure.querySelector("output").textContent;
  const dialog = document.querySelector("dialog");
  document.querySelector(".enlarge").click();
  found.enlarged = [dialog.open, dialog.querySelectorAll("img").length, document.activeElement.textContent];
  dialog.close();
  const box = document.querySelector("#contours"); box.checked = false; box.dispatchEvent(new Event("change"));
  found.hidden = getComputedStyle(figure.querySelector("path.reference")).display;
  found.images = [...document.images].map((image) => image.complete && image.naturalWidth > 0);
  found.fetched = performance.getEntriesByType("resource").map((entry) => entry.name).filter((n) => !n.startsWith("data:"));
  found.unnamed = [...document.querySelectorAll("button, input, img, svg")].filter((node) =>
    !(node.textContent.trim() || node.getAttribute("aria-label") || node.alt || node.closest("label"))).length;
  const beside = [...document.querySelectorAll("figure.beside")].at(-1), range = beside.querySelector("input");
  const drawn = (kind) => [...beside.querySelectorAll(`.panel path.${kind}`)].map((path) => path.getAttribute("d"));
  const old = drawn("reference"), line = beside.querySelector("line.now"), place = line.getAttribute("x1");
  range.value = 1; range.dispatchEvent(new Event("input"));
  found.together = drawn("reference").every((path, index) => path !== old[index]) && drawn("prediction").length === 2;
  found.line = Number(line.getAttribute("x1")) > Number(place) && line.getAttribute("x1") === line.getAttribute("x2");
  const fault = beside.querySelector("rect.fault").getBoundingClientRect(), now = line.getBoundingClientRect();
  found.inside = fault.left < now.left && now.right < fault.right && fault.width > 20;
  found.ends = [...beside.querySelectorAll(".curves text")].map((text) => text.textContent);
  found.wide = document.documentElement.scrollWidth <= innerWidth;
  const play = beside.querySelector("button");
  play.click();
  found.playing = play.getAttribute("aria-label");
  await new Promise((done) => setTimeout(done, 1000));
  found.played = range.value;
  play.click();
  found.paused = play.textContent;
  await new Promise((done) => setTimeout(done, 1000));
  found.stays = range.value;
  found.problems = window.problems;
  const out = document.createElement("pre"); out.id = "probe"; out.textContent = JSON.stringify(found); document.body.append(out);
});
</script>
"""


def picture(dice: float, label: str = "GDKVM") -> CasePicture:
    frames = np.random.default_rng(0).integers(0, 255, (3, 30, 40)).astype(np.uint8)
    reference = np.zeros((3, 30, 40), np.uint8)
    for t in range(3):
        reference[t, 8 - t : 22, 10:28] = 1
    return CasePicture(
        label=label, role="worst", patient="p<1>", view="4CH", phase="ES", dice=dice, frames=frames, reference=reference,
        predicted=np.roll(reference, 2, axis=2), frame=2, spacing_mm=(0.3, 0.15),
    )  # fmt: skip


@pytest.fixture(scope="module")
def source(suite: ResultSet) -> str:
    """The page of the synthetic suite with one failed model and two cases."""
    failed = RunResults(label="Broken <b>", model="broken", status="failed", reason="out of memory")
    results = replace(suite, runs=(*suite.runs, failed), mark="partial: 4CH only", command="make bench")
    compared = comparison_table(results)
    assert compared is not None
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG")
    figures = {"dice_against_fps": stream.getvalue()}
    shared = [replace(picture(dice, label), role=COMMON) for label, dice in (("GDKVM", 91.5), ("U-Net", 88.5))]
    faulty = [replace(item, role=FAULT, fault="blank_frames", window=(1, 2)) for item in shared]
    return page(results, [main_table(results), compared], figures, [picture(95.0), picture(70.0), *shared, *faulty])


def browse(folder: Path, text: str, *extra: str) -> str:
    """Load a page in headless Chromium and return its final DOM."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed")
    (folder / "page.html").write_text(text, encoding="utf-8")
    command = [
        program,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        *extra,
        "--dump-dom",
        f"file://{folder / 'page.html'}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


@pytest.fixture(scope="module")
def probe(source: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a script inside the open page saw."""
    text = source.replace("<style>", WATCH + "<style>", 1).replace("</body>", PROBE + "</body>")
    dom = browse(tmp_path_factory.mktemp("browser"), text)
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL)
    assert found, "the probe did not run"
    result: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return result


def test_the_page_opens_without_errors_and_fetches_nothing(probe: dict[str, Any]) -> None:
    assert probe["problems"] == []
    assert probe["fetched"] == []


def test_sorting_goes_up_then_down_by_the_exact_values(probe: dict[str, Any], suite: ResultSet) -> None:
    dice = sorted(row.cell("dice").value for row in main_table(suite).rows)
    assert probe["ascending"] == pytest.approx(dice)
    assert probe["descending"] == pytest.approx(dice[::-1])
    assert probe["sorted"] == "ascending"


def test_filtering_leaves_matching_rows_and_says_how_many(probe: dict[str, Any]) -> None:
    assert probe["left"] == ["XMem"]
    assert probe["told"] == "1 of 6 rows"


def test_a_figure_opens_enlarged_and_the_keyboard_can_close_it(probe: dict[str, Any]) -> None:
    assert probe["enlarged"] == [True, 1, "Close"]


def test_one_finished_model_is_told_as_that_and_not_as_nothing(suite: ResultSet) -> None:
    alone = replace(suite, runs=(replace(suite.runs[0], profile=None),))
    assert suite_verdicts(alone) == ["Nothing is compared: GDKVM alone is finished."]
    assert suite_verdicts(replace(suite, runs=())) == ["No run of this suite is finished yet."]


def test_images_load_and_clips_move(probe: dict[str, Any]) -> None:
    assert probe["images"]
    assert all(probe["images"])
    assert probe["moved"]
    assert probe["frame"] == "2/3"
    assert probe["hidden"] == "none"


def test_models_side_by_side_share_one_slider_and_the_line_on_their_curves(probe: dict[str, Any]) -> None:
    assert probe["together"]
    assert probe["line"]
    assert probe["inside"], "the second frame is the one under the fault"
    assert sorted(probe["ends"]) == ["ED", "ES"]


def test_all_models_play_and_pause(probe: dict[str, Any]) -> None:
    assert probe["playing"].startswith("Pause p<1> 4CH, blank frames in frames 2 to 2")
    assert probe["played"] == "2", "three frames, one every 700 ms"
    assert (probe["paused"], probe["stays"]) == ("Play", "2")


def test_nothing_is_wider_than_the_window(probe: dict[str, Any]) -> None:
    assert probe["wide"]


def test_every_control_and_picture_has_a_name_for_screen_readers(probe: dict[str, Any]) -> None:
    assert probe["unnamed"] == 0


def test_no_address_of_any_network_stands_in_the_page(source: str) -> None:
    urls = [
        url for url in re.findall(r"""(?:src|href)=["']?([^"'\s>]+)""", source) if not url.startswith(("data:", "#"))
    ]
    # what is left are the report's own files to download; they lie beside the page and are not fetched by opening it
    assert [url for url in urls if not re.fullmatch(r"(figures/)?\w+\.(csv|tex|md|pdf|png)", url)] == []
    assert "table.csv" in urls
    assert "http://" not in source
    assert "https://" not in source


def test_verdicts_come_before_tables_and_cases_worst_first(source: str) -> None:
    assert source.index('id="verdict"') < source.index('id="tables"') < source.index('id="gallery"')
    assert source.index("Dice 70.0 %") < source.index("Dice 95.0 %")
    assert "Trainings, not models, were compared" in source
    assert "GDKVM beats" not in source


def test_labels_cannot_break_the_page(source: str) -> None:
    assert "Broken &lt;b&gt;" in source
    assert "Broken <b>" not in source
    assert "p<1>" not in source


def test_mark_failure_and_command_are_shown(source: str) -> None:
    for text in ("partial: 4CH only", "out of memory", "make bench", "checks hold"):
        assert text in source


def test_verdicts_name_winner_interval_p_and_n(suite: ResultSet) -> None:
    lead, first, *rest = suite_verdicts(suite)
    assert lead.startswith("Trainings, not models, were compared")
    assert re.match(r"In Dice these trainings of GDKVM and U-Net differ by \d\.\d Dice points \[.*\], n = 20;", first)
    assert any("how the models rank cannot be said" in line for line in rest)
    assert not any("Friedman" in line or "beats" in line for line in rest)


def test_verdicts_of_three_trainings_name_winner_interval_p_and_trainings(make_suite: Callable[..., ResultSet]) -> None:
    lines = suite_verdicts(make_suite(patients=20, seeds=3))
    pattern = r"GDKVM beats U-Net by \d\.\d Dice points \[.*\], corrected p .*, n = 20, 3 trainings each\."
    assert re.match(pattern, lines[0])
    assert any("Friedman" in line for line in lines)
    assert any("of the trainings (mean Kendall" in line for line in lines)


def test_a_suite_without_finished_runs_says_so() -> None:
    empty = ResultSet(name="x", dataset="d", runs=(RunResults(label="A", model="a", status="new"),))
    assert suite_verdicts(empty) == ["A is incomplete: seed 0 new."]


def test_all_cases_are_listed_worst_first(make_suite: Callable[..., ResultSet]) -> None:
    table = case_table(make_suite(patients=10, models=("GDKVM", "STM")))
    dice = [row.cell("dice").value for row in table.rows]
    assert len(dice) == 2 * 10 * 2
    assert dice == sorted(dice)


def test_a_contour_follows_the_outline_in_displayed_pixels() -> None:
    mask = np.zeros((6, 6), np.uint8)
    mask[2:4, 1:5] = 1
    numbers = [float(n) for n in re.findall(r"[\d.]+", contour_path(mask, 2.0, 3.0))]
    xs, ys = numbers[::2], numbers[1::2]
    assert (min(xs), max(xs)) == (2.0, 10.0)
    assert (min(ys), max(ys)) == (6.0, 12.0)
    assert contour_path(np.zeros((4, 4), np.uint8), 1, 1) == ""


def test_players_keep_the_patients_proportions() -> None:
    one = player(picture(90))
    assert one.height / one.width == pytest.approx(30 * 2 / 40, rel=0.01)
    assert len(one.frames) == len(one.reference) == 3


def test_uncommitted_changes_are_told_of_any_run_and_never_without_one(pair: ResultSet) -> None:
    def told(*dirty: bool) -> str:
        runs = [
            replace(run, record={**run.record, "code": {"commit": "a" * 40, "dirty": flag}})
            for run, flag in zip(pair.runs, dirty, strict=True)
        ]
        return origin(replace(pair, runs=tuple(runs)))

    assert told(False, False).endswith("commit aaaaaaaaaa.")
    for dirty in ((True, False), (False, True), (True, True)):
        assert told(*dirty).endswith("; some with uncommitted changes.")


def test_a_race_inside_the_noise_has_no_winner(suite: ResultSet) -> None:
    (cost,) = [line for line in suite_verdicts(suite) if line.startswith("Cost:")]
    assert "fastest U-Net (210.0 FPS)," in cost
    slow = suite.of("GDKVM", "XMem")
    (cost,) = [line for line in suite_verdicts(slow) if line.startswith("Cost:")]
    assert "fastest XMem (41.0 FPS), within the spread of the repeats also GDKVM" in cost
