"""A card for people: Markdown, to read in a terminal or to put beside the file."""

from __future__ import annotations

from harness.segment.card import Card, Score

DEMONSTRATION = "**A demonstration**, trained on drawn phantoms: it shows how the program works, and knows no patient."


def card_markdown(card: Card) -> str:
    """The card in sections: model, training data and terms, scores, known failures."""
    training = card.training
    patients = ", ".join(f"{count} {split}" for split, count in training.patients.items()) or "not counted"
    lines = [
        f"# {card.model.label} ({card.name})",
        "",
        *([DEMONSTRATION, ""] if card.demonstration else []),
        "Research software, not for diagnosis.",
        "",
        f"- Model: {card.model.name}, size {card.model.size}; pictures of {card.image_size} px; segments {', '.join(card.structures)}",
        f"- Training data: {training.dataset}, {'+'.join(training.views)}, clips {training.clip}, fingerprint {training.fingerprint}",
        *([f"- Mark of the data: {training.mark}"] if training.mark else []),
        f"- Patients: {patients}",
        f"- Terms of the data: {training.terms}",
        f"- Seed {training.seed}, {training.device} {training.precision}, code {training.code or 'not recorded'}, echobench {card.echobench}",
        "",
        "| test patients | mean | 95 % interval | n |",
        "|---|---|---|---|",
        *(_row(score) for score in card.scores),
        "",
        "Known failures",
        "",
        *(f"- {sentence}" for sentence in card.known_failures),
    ]
    if card.range is None:
        lines.append("- The training data were not at hand: clips cannot be compared with them.")
    return "\n".join(lines) + "\n"


def _row(score: Score) -> str:
    name = f"{score.measure} {score.structure}".strip()
    limits = "-" if score.low is None or score.high is None else f"{score.low:.1f} to {score.high:.1f}"
    return f"| {name} [{score.unit}] | {score.mean:.1f} | {limits} | {score.patients} |"
