"""Loading the published ImageNet-21k weights of R50+ViT-B/16 from a user's ``.npz`` file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.transunet_hybrid import HybridResNet
from baselines.transunet_vit import VisionTransformer, resize_positions
from harness.errors import decoding
from harness.modeling.pretrained import mark_pretrained
from harness.numpy_files import ArrayFile

Arrays = dict[str, NDArray[np.float32]]


def load_vit_npz(resnet: HybridResNet, transformer: VisionTransformer, path: str | Path) -> None:
    """Fill the encoder in place from a file of the published layout; classification heads are left out.

    Kernels are stored height-width-in-out, attention projections per head; the class token's position is
    dropped and the others are interpolated to the transformer's own grid.

    Raises:
        DataError: the file is damaged or no ``.npz``. FileNotFoundError: there is none.
        ValueError: it lacks an array or has one of another shape.
    """
    file = f"The file of pretrained weights {path}"
    with decoding(file, "cannot be read", "download it again"), ArrayFile(Path(path)) as content:
        arrays = dict(content)
    try:
        states = _resnet_state(resnet, arrays), _transformer_state(transformer, arrays)
    except KeyError as error:
        raise ValueError(f"The pretrained weights {path} have no array {error}.") from error
    for module, state in zip((resnet, transformer), states, strict=True):
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"The pretrained weights {path} do not fit: {error}") from error
    mark_pretrained(resnet, transformer)


def _resnet_state(resnet: HybridResNet, arrays: Arrays) -> dict[str, Tensor]:
    state = {}
    for name in resnet.state_dict():
        module, leaf = name.rsplit(".", 1)
        prefix = module.replace(".", "/")
        # Norms call their weight "scale" in the published file, convolutions "kernel".
        if "conv" in module.rsplit(".", 1)[-1]:
            state[name] = _kernel(arrays[f"{prefix}/kernel"])
        else:
            state[name] = _tensor(arrays[f"{prefix}/{'scale' if leaf == 'weight' else 'bias'}"]).flatten()
    return state


def _transformer_state(transformer: VisionTransformer, arrays: Arrays) -> dict[str, Tensor]:
    state = {
        "embedding.weight": _kernel(arrays["embedding/kernel"]),
        "embedding.bias": _tensor(arrays["embedding/bias"]),
        "positions": _positions(arrays["Transformer/posembed_input/pos_embedding"], transformer.grid),
        "norm.weight": _tensor(arrays["Transformer/encoder_norm/scale"]),
        "norm.bias": _tensor(arrays["Transformer/encoder_norm/bias"]),
    }
    for i in range(len(transformer.layers)):
        layer = _layer_state(arrays, f"Transformer/encoderblock_{i}/")
        state |= {f"layers.{i}.{name}": tensor for name, tensor in layer.items()}
    return state


def _layer_state(arrays: Arrays, prefix: str) -> dict[str, Tensor]:
    attention = f"{prefix}MultiHeadDotProductAttention_1/"
    qkv = [(arrays[f"{attention}{n}/kernel"], arrays[f"{attention}{n}/bias"]) for n in ("query", "key", "value")]
    out = arrays[f"{attention}out/kernel"]  # heads, C/heads, C
    state = {
        # JAX keeps matrices as [in, out], PyTorch as [out, in].
        # stored C, heads, C/heads
        "attention.qkv.weight": torch.cat([_tensor(kernel).flatten(1).T for kernel, _ in qkv]),
        "attention.qkv.bias": torch.cat([_tensor(bias).flatten() for _, bias in qkv]),
        "attention.out.weight": _tensor(out).flatten(0, 1).T,
        "attention.out.bias": _tensor(arrays[f"{attention}out/bias"]),
    }
    for ours, theirs in (("attention_norm", "LayerNorm_0"), ("mlp_norm", "LayerNorm_2")):
        state[f"{ours}.weight"] = _tensor(arrays[f"{prefix}{theirs}/scale"])
        state[f"{ours}.bias"] = _tensor(arrays[f"{prefix}{theirs}/bias"])
    for ours, theirs in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
        state[f"{ours}.weight"] = _tensor(arrays[f"{prefix}MlpBlock_3/{theirs}/kernel"]).T
        state[f"{ours}.bias"] = _tensor(arrays[f"{prefix}MlpBlock_3/{theirs}/bias"])
    return state


def _positions(stored: NDArray[np.float32], grid: int) -> Tensor:
    positions = _tensor(stored)
    side = int(positions.shape[1] ** 0.5)
    # 197 positions are 14 x 14 and a class token, which TransUNet does not use.
    if side * side != positions.shape[1]:
        positions = positions[:, 1:]  # the class token comes first
        side = int(positions.shape[1] ** 0.5)
    return resize_positions(positions, side, grid, grid)


def _kernel(array: NDArray[np.float32]) -> Tensor:
    # Height, width, in, out → out, in, height, width.
    return _tensor(array).permute(3, 2, 0, 1)


def _tensor(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))
