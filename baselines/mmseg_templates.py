"""From the name of an mmsegmentation architecture to a config that can be built for grey clips."""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path
from typing import Any

from mmengine.config import Config

from baselines.mmseg_import import import_mmseg
from harness.errors import ConfigError, unknown

SEGMENTORS = ("EncoderDecoder", "CascadeEncoderDecoder")
NEEDS_OPERATORS = ("PSAHead", "DCN", "DCNv2")
COLOUR_ONLY = ("MSCAN",)  # takes the argument, but its stem has three channels whatever it says
NEEDS_PACKAGES = {"mmdet": "mmdetection", "mmpretrain": "mmpretrain", "MaskFormerHead": "mmdetection"}

POOLING_NEEDS_PX = 385
"""Side of the smallest frame on which LRASPP's pooling window of 49 positions at stride 8 fits."""


def list_templates() -> list[str]:
    """Names of the architecture templates that mmsegmentation ships, such as ``segformer_mit-b0``."""
    return sorted(path.stem for path in (_config_root() / "_base_" / "models").glob("*.py"))


def load_template(name: str) -> dict[str, Any]:
    """The ``model`` dict of a template, of any other config of mmsegmentation, or of a ``.py`` file at a path.

    Raises:
        ConfigError: no such name or file, or a config without a model.
    """
    path = _find(name)
    try:
        # A config's custom_imports may name packages that are not here; architectures need none of them.
        model = Config.fromfile(str(path), import_custom_modules=False).get("model")
    except Exception as error:
        raise ConfigError(f"The mmseg config {path} cannot be read: {error}") from error
    if model is None:
        raise ConfigError(f"The mmseg config {path} defines no model.")
    return model.to_dict()


def adapt(model: dict[str, Any], *, num_classes: int, in_channels: int, image_size: int) -> dict[str, Any]:
    """Copy a model dict and fit it to this benchmark.

    Synchronised batch norm becomes batch norm, pretrained weights and the data preprocessor go, every head
    gets ``num_classes``, the backbone ``in_channels`` (where it takes another number than three) and, where
    it names one, ``image_size``. Auxiliary heads that predict boundaries instead of classes are dropped.

    Raises:
        ConfigError: as ``check_parts`` and ``check_sizes``.
    """
    model = copy.deepcopy(model)
    # Grey levels are normalised by the adapter, the same for all models.
    model.pop("data_preprocessor", None)
    check_parts(model)
    check_sizes(model, image_size)
    heads = model.get("auxiliary_head")
    if heads:
        heads = heads if isinstance(heads, list) else [heads]
        # STDCHead predicts boundaries from a Laplacian of the label map: another task, with a loss of its own.
        model["auxiliary_head"] = [head for head in heads if head["type"] != "STDCHead"]
    _rewrite(model, num_classes, image_size)
    for backbone in _backbones(model):
        backbone["in_channels"] = in_channels
    return model


def takes_in_channels(model: dict[str, Any]) -> bool:
    """Whether the backbone of a model can be built for another number of image channels than three."""
    return bool(_backbones(model))


def _backbones(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The backbone and the one it wraps, where they take the argument ``in_channels``."""
    import_mmseg()
    from mmseg.registry import MODELS as MMSEG

    candidates = [model["backbone"], model["backbone"].get("backbone_cfg")]
    found = [(c, MMSEG.get(c["type"])) for c in candidates if c is not None]
    return [
        c for c, cls in found if cls is not None and c["type"] not in COLOUR_ONLY and "in_channels" in _parameters(cls)
    ]


def _parameters(cls: type) -> set[str]:
    """Names of the constructor's parameters; those of the bases count where the constructor passes them on."""
    names: set[str] = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters
            names |= set(parameters)
            # Without **kwargs the bases' parameters cannot be reached from outside.
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return names


def _rewrite(node: Any, num_classes: int, image_size: int) -> None:
    if isinstance(node, list | tuple):
        for item in node:
            _rewrite(item, num_classes, image_size)
    if not isinstance(node, dict):
        return
    # Nothing is downloaded: from scratch, and the table says so.
    node.pop("pretrained", None)
    if isinstance(node.get("init_cfg"), dict) and node["init_cfg"].get("type") == "Pretrained":
        del node["init_cfg"]
    if node.get("type") == "SyncBN":
        # Synchronised norms run on GPUs of one process group only.
        node["type"] = "BN"
    if node.get("type") == "EncHead":
        node["use_se_loss"] = False  # its class-presence loss has no place in a per-pixel benchmark
    for key, value in (("num_classes", num_classes), ("img_size", (image_size, image_size))):
        if key in node:
            node[key] = value
    for value in node.values():
        _rewrite(value, num_classes, image_size)


def check_parts(model: dict[str, Any]) -> None:
    """Refuse, in one sentence, a model that cannot run here.

    Raises:
        ConfigError: no encoder-decoder of images, or a part that needs compiled operators or another package.
    """
    kind = model.get("type")
    if kind not in SEGMENTORS or "backbone" not in model:
        raise ConfigError(
            f"An mmseg model of type '{kind}' is no plain image segmentor; supported: {', '.join(SEGMENTORS)}."
        )
    _check_parts(model)


def check_sizes(model: dict[str, Any], image_size: int) -> None:
    """Refuse, in one sentence, a model whose parts do not fit each other or the frames.

    Raises:
        ConfigError: heads that expect other channels than the neck gives (``upernet_mae`` is such a template: its
            heads are set right by the full configs that build on it), or a head whose fixed pooling window is larger
            than the features of such frames.
    """
    heads = model.get("decode_head"), model.get("auxiliary_head")
    heads_in = [head for part in heads for head in (part if isinstance(part, list | tuple) else [part]) if head]
    neck = model.get("neck") or {}
    if neck.get("type") == "Feature2Pyramid":
        for head in heads_in:
            given, expected = neck["embed_dim"], head["in_channels"]
            if {given} != set(expected if isinstance(expected, list | tuple) else [expected]):
                raise ConfigError(
                    f"The parts of this mmseg model do not fit: its neck gives {given} channels, its {head['type']} "
                    f"expects {expected}; choose another model, or set in_channels of its heads by 'options'."
                )
    if image_size < POOLING_NEEDS_PX and any(head["type"] == "LRASPPHead" for head in heads_in):
        raise ConfigError(
            "The part 'LRASPPHead' of this mmseg model averages windows of 49 positions at stride 8, which takes frames "
            f"of at least {POOLING_NEEDS_PX} px, got {image_size}; choose another model or a larger image_size."
        )


def _check_parts(node: Any) -> None:
    if isinstance(node, list | tuple):
        for item in node:
            _check_parts(item)
    elif isinstance(node, dict):
        kind = str(node.get("type", ""))
        if kind in NEEDS_OPERATORS:
            raise ConfigError(
                f"The part '{kind}' of this mmseg model needs compiled operators, which mmcv-lite does not have; "
                "choose another model or install the full mmcv 2.1.0."
            )
        for mark, package in NEEDS_PACKAGES.items():
            if kind == mark or kind.startswith(f"{mark}."):
                raise ConfigError(
                    f"The part '{kind}' of this mmseg model needs {package}, which this benchmark does not install; "
                    "choose another model."
                )
        for value in node.values():
            _check_parts(value)


def _find(name: str) -> Path:
    if name.endswith(".py"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"The mmseg config {name} does not exist.")
        return path
    # A name from a record must not climb out of mmsegmentation's folder: the file that it means is executed.
    if not re.fullmatch(r"[\w.+-]+", name):
        raise unknown("mmseg model", name, list_templates())
    root = _config_root()
    path = root / "_base_" / "models" / f"{name}.py"
    if path.is_file():
        return path
    found = sorted(root.glob(f"*/{name}.py"))
    if not found:
        raise unknown("mmseg model", name, list_templates())
    return found[0]


def _config_root() -> Path:
    root = Path(str(import_mmseg().__file__)).parent / ".mim" / "configs"
    if not root.is_dir():
        raise ConfigError(f"mmsegmentation came without its configs ({root}); reinstall it from its wheel.")
    return root
