"""What a run computes, and the identity that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.files import canonical_hash


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSpec:
    """Everything that decides what a run computes; its hash is the run's identity.

    Attributes:
        model: ``name``, ``size``, ``label`` (for tables) and ``build`` (the registry config).
        data: ``dataset``, ``views``, ``clip``, ``image_size``, ``fingerprint``, ``mark``.
        recipe: the resolved recipe, one for all models of a suite.
        seed: initialisation, order and augmentation.
        protocol: ``first_frame`` and ``structures``.
        device: ``cpu`` or ``cuda``, whatever the recipe says ("auto", "cuda:1").
        precision: as resolved on this machine: ``fp32``, ``bf16`` or ``fp16``.
        code: hash of the source that makes weights and rows (``store/code.py``); empty in runs of stores that were made
            before it belonged to the identity.
        generation: 0; counts up where a finished run was trained again (``--retrain``).
        masks: hash of masks that another program made: the run is external, nothing was trained here. Empty for others.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    protocol: dict[str, Any]
    device: str = ""
    precision: str = ""
    code: str = ""
    generation: int = 0
    masks: str = ""

    @property
    def identity(self) -> str:
        """Ten hex digits, the same for equal specs whatever the order of their keys."""
        content = asdict(self)
        if not self.code:
            # Names of runs in older stores were made from these five; they must stay what they are.
            return canonical_hash({key: content[key] for key in ("model", "data", "recipe", "seed", "protocol")})
        return canonical_hash(_decisive(content))

    @property
    def question(self) -> str:
        """Hash of what was asked for, whatever code answered it and how often: equal for runs of other code."""
        # Masks made again under the same name and seed answer the same question.
        masks = {"masks": "any"} if self.external else {}
        return canonical_hash({**_decisive(asdict(self)), "code": "", "generation": 0, **masks})

    @property
    def external(self) -> bool:
        """Whether the run holds scores of masks that another program made: it has no weights and no recipe."""
        return bool(self.masks)

    @property
    def folder(self) -> str:
        """Path of the run below the store's root."""
        # A colon (mmseg:NAME) is no character of a folder on every system.
        model = self.model
        return f"{self.data['dataset']}/{model['name']}-{model['size']}-s{self.seed}-{self.identity}".replace(":", "_")


def _decisive(content: dict[str, Any]) -> dict[str, Any]:
    """What of a spec decides its numbers, the same on every machine and wherever a user's files lie."""
    # The recipe's words for device and precision give way to what they come to here.
    recipe = {key: value for key, value in _placeless(content["recipe"]).items() if key not in ("device", "precision")}
    # Left out where empty: the names of runs from before there were external ones must stay.
    content = {key: value for key, value in content.items() if key != "masks" or value}
    return {
        **content,
        "recipe": recipe,
        "model": _placeless(content["model"]),
        "protocol": _placeless(content["protocol"]),
    }


def _placeless(value: Any) -> Any:
    """Without folders: ``/home/me/mynet.py`` → ``mynet.py``, ``MyNet@1f3a`` (a type of such a file) → ``MyNet``."""
    if isinstance(value, dict):
        return {key: _named(key, item) for key, item in value.items()}
    # JSON knows no tuples: a spec that is read back must hash as the one that was written.
    return [_placeless(item) for item in value] if isinstance(value, list | tuple) else value


def _named(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, str):
        return value.partition("@")[0]
    if key == "custom_imports":
        return [Path(item).name if item.endswith(".py") else item for item in value]
    return _placeless(value)
