"""A study may vary the first-frame protocol; ``auto_unet`` brings the U-Net of the model's size with it."""

from __future__ import annotations

import pytest

from harness import config
from harness.errors import ConfigError
from harness.experiments.first_mask import choose_maker, maker_spec, protocol_of
from harness.experiments.models import build_for, choose_model
from harness.experiments.study.variant import vary
from harness.store.runs import RunSpec

PROTOCOL = "protocol.first_frame"


def base(name: str, size: str = "small") -> RunSpec:
    choice = choose_model(name, size)
    return RunSpec(
        model={
            "name": choice.name,
            "size": size,
            "label": choice.label,
            "build": build_for(choice.build, "all", "auto"),
        },
        data={"dataset": "phantom", "fingerprint": "x"},
        recipe=config.load("recipes", "smoke").to_dict()["recipe"],
        seed=4,
        protocol=protocol_of("auto", "all"),
    )


@pytest.mark.parametrize("size", ["small", "paper"])
def test_the_u_net_has_the_recipe_seed_and_structures_of_the_variant(size: str) -> None:
    spec = vary(base("gdkvm", size), {PROTOCOL: "auto_unet", "recipe.clip_length": 3})
    maker = maker_spec(spec)
    assert (maker.model["name"], maker.model["size"]) == ("unet", size)
    assert maker.model["build"] == {**choose_maker(size).build, "num_structures": 3}
    assert (maker.recipe, maker.seed, maker.data) == (spec.recipe, 4, spec.data)
    assert maker.protocol == {"first_frame": "auto", "structures": "all"}


def test_a_variant_that_goes_back_to_auto_is_the_plain_run() -> None:
    plain = base("gdkvm")
    assert vary(vary(plain, {PROTOCOL: "auto_unet"}), {PROTOCOL: "auto"}).identity == plain.identity
    assert maker_spec(plain) is None


def test_a_model_without_memory_and_an_unknown_protocol_are_refused() -> None:
    with pytest.raises(ConfigError, match="'unet' takes no first mask"):
        vary(base("unet"), {PROTOCOL: "auto_unet"})
    with pytest.raises(ConfigError, match=r"Unknown first-frame protocol 'auto_une'.*Did you mean 'auto_unet'\?"):
        vary(base("gdkvm"), {PROTOCOL: "auto_une"})
