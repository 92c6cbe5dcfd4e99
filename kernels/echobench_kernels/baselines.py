"""What the baselines need beside the packed layers: kernels that are merged once, parts that stay float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.stm import STM
from baselines.stm_network import Decoder as STMDecoder
from baselines.stm_network import KeyValueHead, MemoryEncoder
from baselines.transunet import TransUNet
from baselines.transunet_hybrid import StdConv2d, standardise
from baselines.transunet_vit import Layer
from baselines.unet import UNetCore
from baselines.unet_camus import UNetCamusCore
from baselines.unet_nnu import UNetNnU, UNetNnUCore
from baselines.xmem_network import Decoder as XMemDecoder
from baselines.xmem_network import KeyHeads
from echobench_kernels.copying import merge
from echobench_kernels.packed_layers import PackedLinear
from echobench_kernels.packing import keep_float32, pack, packed_form
from harness.modeling.memory_segmenter import to_weights

# Logits are compared with each other and keys with thousands of others: their rounding to bfloat16 would show.
for _kind, _names in {
    UNetCore: ("head",),
    UNetCamusCore: ("head",),
    UNetNnUCore: ("heads",),
    TransUNet: ("head",),
    KeyValueHead: ("key",),
    STMDecoder: ("head",),
    KeyHeads: ("key", "shrinkage", "selection"),
    XMemDecoder: ("head",),
}.items():
    keep_float32(_kind, *_names)


class MergedMemoryEncoder(nn.Module):
    """``MemoryEncoder`` of STM with its three stems as one convolution."""

    def __init__(self, encoder: MemoryEncoder) -> None:
        super().__init__()
        # After this the published names are gone, so it happens on packed copies only.
        first = encoder.trunk.conv1
        merged = nn.Conv2d(first.in_channels + 2, first.out_channels, 7, 2, 3, bias=False)
        merged.to(first.weight).train(first.training)
        with torch.no_grad():
            merged.weight.copy_(torch.cat([first.weight, encoder.conv_mask.weight, encoder.conv_others.weight], 1))
        self.trunk, self.channels = encoder.trunk, encoder.channels
        self.trunk.conv1 = merged

    def forward(self, image: Tensor, mask: Tensor, others: Tensor) -> Tensor:
        """image [N, C, H, W] normalised, mask and others [N, 1, H, W] → f16 [N, C16, H/16, W/16]."""
        f16: Tensor = self.trunk(to_weights(torch.cat([image, mask, others], 1), self.trunk))[2]
        return f16


class PackedLayer(nn.Module):
    """``Layer`` of TransUNet's transformer: GELU and both residual sums are fused into the linear layers before them."""

    def __init__(self, layer: Layer, dtype: torch.dtype) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = layer.attention_norm, layer.mlp_norm
        self.attention = layer.attention
        pack(self.attention, dtype)
        self.fc1, self.fc2 = PackedLinear(layer.fc1, "gelu", dtype), PackedLinear(layer.fc2, "none", dtype)

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, C] → [N, L, C]."""
        x = self.attention.out(self.attention.mixed(self.attention_norm(x)), x)
        out: Tensor = self.fc2(self.fc1(self.mlp_norm(x)), x)
        return out


@packed_form.register
def _(layer: Layer, dtype: torch.dtype) -> nn.Module:
    return PackedLayer(layer, dtype)


@merge.register
def _(model: STM) -> None:
    model.memory_encoder = MergedMemoryEncoder(model.memory_encoder)  # type: ignore[assignment]


@merge.register
def _(model: TransUNet) -> None:
    """Standardise all kernels once; add up the root's three kernels where all see the same grey frame."""
    freeze_standardisation(model.resnet)
    if model.in_channels == 1:
        root = model.resnet.conv_root
        # Three equal inputs: the sum of the kernels does the same with a third of the products.
        root.weight = nn.Parameter(root.weight.detach().sum(1, keepdim=True))
        root.in_channels = 1


@merge.register
def _(model: UNetNnU) -> None:
    """Replace the instance norms, which work on the channels-first layout only."""
    instance_to_group_norm(model)


def freeze_standardisation(module: nn.Module) -> None:
    """Replace every ``StdConv2d`` inside a module by the plain convolution that computes the same, in place."""
    for name, child in list(module.named_children()):
        if not isinstance(child, StdConv2d):
            freeze_standardisation(child)
            continue
        size, stride, padding = child.kernel_size[0], child.stride[0], int(child.padding[0])
        shape = child.in_channels, child.out_channels, size, stride, padding
        conv = nn.utils.skip_init(nn.Conv2d, *shape, bias=False)
        conv.weight = nn.Parameter(standardise(child.weight.detach()))
        setattr(module, name, conv)


def instance_to_group_norm(module: nn.Module) -> None:
    """Replace every instance norm by the equal group norm, in place, which keeps the channels-last layout."""
    for name, child in list(module.named_children()):
        if not isinstance(child, nn.InstanceNorm2d):
            instance_to_group_norm(child)
            continue
        # One channel per group is instance norm by definition, and PyTorch's group norm keeps the layout.
        norm = nn.GroupNorm(child.num_features, child.num_features, child.eps)
        norm.load_state_dict(child.state_dict())
        setattr(module, name, norm)
