"""One file that holds a trained model: safetensors, with a card in JSON and a checksum in its header. Nothing of it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from harness.errors import BenchError, ConfigError, DataError
from harness.files import canonical_hash, write_bytes
from harness.modeling import FirstMaskSegmenter
from harness.modules import import_recorded
from harness.registry import MODELS, check_types, load_plugins
from harness.segment.card import Card, ModelFacts, self_contained
from harness.tensors import mismatch

SUFFIX = ".safetensors"
_KEY = "echobench"
_FORMAT = 1


def write_weights(path: Path, card: Card, model: nn.Module) -> Path:
    """Write a model and its card; the same model and card give the same bytes.

    Raises:
        ConfigError: the file exists, or has another suffix.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(f"A weights file ends in {SUFFIX}; {path.name} does not.")
    if path.exists():
        raise ConfigError(f"{path} exists; remove it, or choose another name with --out.")
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    stated = card.model_dump(mode="json")
    header = {
        "format": _FORMAT,
        "card": stated,
        "card_sha256": canonical_hash(stated, length=64),
        "tensors_sha256": _digest(tensors),
    }
    # A single entry: the library writes several in the order of a hash that changes from process to process.
    write_bytes(path, to_bytes(tensors, metadata={_KEY: json.dumps(header, sort_keys=True, allow_nan=False)}))
    return path


def read_card(path: Path) -> Card:
    """The card of a weights file, its checksum verified.

    Raises:
        ConfigError: there is no such file. DataError: it is damaged, or of another kind or version.
    """
    return _header(path)[0]


def read_weights(path: Path) -> tuple[Card, nn.Module]:
    """Card and model of a weights file, in eval mode on the CPU, both checksums verified.

    Raises:
        ConfigError: no such file, an unregistered model, or one whose module nobody has named (``--trust``).
        DataError: damaged, or of another kind. BenchError: the tensors are not those of its model.
    """
    card, expected = _header(path)
    with _opened(path) as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  (no mapping)
        _check_sizes(card, shapes, path)
        tensors = {name: file.get_tensor(name) for name in shapes}
    if _digest(tensors) != expected:
        raise DataError(f"The weights file {path} is damaged (checksum of its tensors); get it again.")
    model = build_model(card, path)
    if reason := mismatch(model.state_dict(), tensors):
        raise BenchError(f"The weights file {path} does not fit the model of its card: {reason}; get it again.")
    model.load_state_dict(tensors)
    return card, model.eval()


def build_model(card: Card, path: Path) -> nn.Module:
    """The model of a card, untrained: registered names alone are built, and a module is imported only where the user agreed."""
    model = _built(card.model, path)
    return model if card.first_mask is None else FirstMaskSegmenter(model=model, first=_built(card.first_mask, path))


def _built(facts: ModelFacts, path: Path) -> Any:
    load_plugins()
    where = f"The weights file {path}"
    check_types(facts.build)
    import_recorded(facts.custom_imports, facts.build, where)
    try:
        # Whoever wrote the file may name any other in it.
        return MODELS.build(self_contained(facts.build))
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{where} describes a model that cannot be built ({reason}); get it again.") from error


def _check_sizes(card: Card, shapes: Mapping[str, tuple[int, ...]], path: Path) -> None:
    """Build on the device that holds no memory first: a card may claim a model that no machine could hold."""
    with torch.device("meta"):
        claimed = {name: tuple(tensor.shape) for name, tensor in build_model(card, path).state_dict().items()}
    if claimed != dict(shapes):
        raise DataError(f"The weights file {path} holds other tensors than the model of its card; get it again.")


def _header(path: Path) -> tuple[Card, str]:
    with _opened(path) as file:
        text = (file.metadata() or {}).get(_KEY)
    if text is None:
        raise DataError(f"{path} is a file of tensors without a card; echobench publish writes files with one.")
    try:
        header = json.loads(text)
        version, stated = header["format"], header["card"]
        checksum, tensors = str(header["card_sha256"]), str(header["tensors_sha256"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"The weights file {path} is damaged (its card cannot be read); get it again.") from error
    if version != _FORMAT:
        raise DataError(f"The weights file {path} has format {version!r}, this echobench reads {_FORMAT}.")
    if canonical_hash(stated, length=64) != checksum:
        raise DataError(f"The weights file {path} is damaged (checksum of its card); get it again.")
    try:
        return Card.read(stated, "the card"), tensors
    except ConfigError as error:
        raise DataError(f"The weights file {path} has a card that cannot be read: {error}") from error


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f"The weights file {path} does not exist; check the path.")
    try:
        # Sizes in the header are compared with the file here, before any memory is taken.
        return safe_open(path, framework="pt", device="cpu")
    except (SafetensorError, OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{path} is damaged or no weights file ({reason}); get it again.") from error


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, kinds, shapes and bytes, whatever order a file has them in."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
