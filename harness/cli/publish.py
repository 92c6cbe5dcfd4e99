"""echobench publish: a finished run as one file with its card."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli._options import RUN, trust_option
from harness.errors import ConfigError


@click.command()
@click.argument("run", type=RUN, required=False)
@click.option("--card", type=click.Path(path_type=Path), help="Print the card of this weights file instead.")
@click.option("--out", type=click.Path(path_type=Path), help="The file (default: the run's name, .safetensors).")
@click.option("--terms", help="Licence terms of the data, where their config does not state them.")
@click.option("--results-dir", default="results/runs", show_default=True, help="Where runs are kept.")
@click.option("--data-dir", default="data", show_default=True, help="Where prepared data are kept.")
@trust_option
def command(
    run: str | None, card: Path | None, out: Path | None, terms: str | None, results_dir: str, data_dir: str
) -> None:
    """Pack the finished RUN into one file: weights, config, data, terms, scores, known failures.

    `echobench segment CLIP --weights FILE` applies it where there is no results folder. Example:

        echobench publish unet-small --out demonstration.safetensors
    """
    from harness.segment import publish
    from harness.segment.card_text import card_markdown
    from harness.segment.weights import read_card

    if (run is None) == (card is None):
        raise ConfigError("Name a finished run, or say --card FILE to read the card of a weights file.")
    if card is not None:
        click.echo(card_markdown(read_card(card)))
        return
    path, made = publish(str(run), out, results_dir=results_dir, data_dir=Path(data_dir), terms=terms)
    click.echo(card_markdown(made))
    click.echo(f"written: {path}")
