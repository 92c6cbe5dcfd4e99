"""Update rules by name."""

from __future__ import annotations

import difflib

from gdkvm.extra_rules import LivosRule, OrthogonalRule, TokenRule
from gdkvm.rules import (
    LARGEST_DECAY,
    DecayGate,
    DecayRule,
    DeltaRule,
    GatedRule,
    GateInput,
    ReleasedRule,
    UpdateRule,
)

RULES: dict[str, type[UpdateRule]] = {
    "sum": UpdateRule,
    "delta": DeltaRule,
    "decay": DecayRule,
    "gated": GatedRule,
    "released": ReleasedRule,
    "token": TokenRule,
    "livos": LivosRule,
    "orthogonal": OrthogonalRule,
}
ALIASES = {"no_alpha": "delta", "no_beta": "decay"}
"""Names of the ablation tables: what is taken away from the gated rule."""


def list_rules() -> list[str]:
    """Names of all update rules."""
    return sorted(RULES)


def build_rule(
    name: str,
    *,
    value_width: int,
    heads: int = 8,
    gate_input: GateInput = "state",
    decay_init: float = LARGEST_DECAY,
) -> UpdateRule:
    """Build the rule called ``name`` (or one of ``ALIASES``); its decay gates, if any, start from A ~ U(0, decay_init).

    Raises:
        ValueError: an unknown name, with the nearest valid one; a ``decay_init`` that is not positive.
    """
    rule = RULES.get(ALIASES.get(name, name))
    if rule is None:
        close = difflib.get_close_matches(name, [*RULES, *ALIASES], n=1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise ValueError(f"update_rule must be one of {', '.join(list_rules())}, got '{name}'.{hint}")
    built = rule(value_width, heads, gate_input)
    for gate in built.modules():
        if isinstance(gate, DecayGate) and decay_init != LARGEST_DECAY:
            gate.start_below(decay_init)
    return built
