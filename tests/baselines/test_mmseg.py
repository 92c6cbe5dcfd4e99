"""mmsegmentation's architectures build, train and predict as per-frame baselines, or say why not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope

from baselines import mmseg_import
from baselines.mmseg import MMSegSegmenter
from baselines.mmseg_templates import adapt, list_templates, load_template
from harness.errors import ConfigError
from harness.registry import MODELS

needs_mmseg = pytest.mark.skipif(importlib.util.find_spec("mmseg") is None, reason="the extra 'mmseg' is not installed")

FAMILIES = [
    "segformer_mit-b0",
    "bisenetv1_r18-d32",
    "bisenetv2",
    "cgnet",
    "erfnet_fcn",
    "fast_scnn",
    "fcn_hr18",
    "ocrnet_hr18",
    "stdc",
    "fpn_r50",
    "twins_pcpvt-s_fpn",
    "ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024",
    "pidnet-s_2xb6-120k_1024x1024-cityscapes",
    "segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512",
    pytest.param("fcn_unet_s5-d16", marks=pytest.mark.slow),
    pytest.param("deeplabv3plus_r50-d8", marks=pytest.mark.slow),
    pytest.param("pointrend_r50", marks=pytest.mark.slow),
    pytest.param("upernet_swin", marks=pytest.mark.slow),
    pytest.param("segmenter_vit-b16_mask", marks=pytest.mark.slow),
    pytest.param("knet-s3_r50-d8_fcn_8xb2-adamw-80k_ade20k-512x512", marks=pytest.mark.slow),
]
WITHOUT = {  # templates that cannot run, with the reason that the sentence must name
    "psanet_r50-d8": "needs compiled operators",
    "fpn_poolformer_s12": "needs mmpretrain",
    "upernet_convnext": "needs mmpretrain",
    "san_vit-b16": "no plain image segmentor",
    "vpd_sd": "no plain image segmentor",
    "lraspp_m-v3-d8": "frames of at least 385 px, got 256",
    "upernet_mae": "its neck gives 768 channels, its UPerHead expects",
}


@needs_mmseg
@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_builds_trains_one_step_and_predicts(name: str) -> None:
    torch.manual_seed(0)
    model = MODELS.build(dict(type="MMSegSegmenter", name=name, num_structures=2, image_size=64)).train()
    before = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    output = model.forward_train(torch.rand(2, 1, 1, 64, 64))
    target = torch.zeros(2, 1, 64, 64, dtype=torch.int64)
    target[:, :, 16:48, 16:48] = 1
    loss = torch.nn.functional.cross_entropy(output.logits.flatten(0, 1), target.flatten(0, 1))
    for head in output.auxiliary:
        assert head.logits.shape[:3] == (2, 1, 3)
        small = torch.nn.functional.interpolate(target.float(), head.logits.shape[-2:])[:, 0].long()
        loss = loss + head.weight * torch.nn.functional.cross_entropy(head.logits.flatten(0, 1), small)
    loss.backward()
    optimizer.step()
    moved = [n for n, p in model.named_parameters() if p.requires_grad and not torch.equal(p, before[n])]
    assert loss.isfinite()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    assert any("backbone" in n for n in moved)
    assert any("decode_head" in n for n in moved)
    with torch.inference_mode():
        logits = model.eval()(torch.rand(1, 2, 1, 50, 70))
    assert logits.shape == (1, 2, 3, 50, 70)
    assert logits.isfinite().all()


@needs_mmseg
@pytest.mark.parametrize("name", ["segformer_mit-b0", "bisenetv1_r18-d32", "stdc"])
def test_colour_frames_are_taken_as_they_are(name: str) -> None:
    model = MMSegSegmenter(name=name, in_channels=3).eval()
    with torch.inference_mode():
        assert model(torch.rand(1, 1, 3, 64, 64)).shape == (1, 1, 2, 64, 64)


@needs_mmseg
def test_a_backbone_that_is_bound_to_colour_gets_grey_repeated() -> None:
    assert MMSegSegmenter(name="segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512").repeat_grey
    assert not MMSegSegmenter(name="segformer_mit-b0").repeat_grey


@needs_mmseg
@pytest.mark.parametrize("name", list_templates() if importlib.util.find_spec("mmseg") else [])
def test_every_template_can_be_adapted_or_says_in_one_sentence_why_not(name: str) -> None:
    if name in WITHOUT:
        with pytest.raises(ConfigError, match=WITHOUT[name]) as caught:
            MMSegSegmenter(name=name)
        assert "\n" not in str(caught.value)
    else:
        model = adapt(load_template(name), num_classes=2, in_channels=1, image_size=64)
        assert model["backbone"].get("in_channels", 1) == 1


@needs_mmseg
def test_the_adapted_config_has_plain_batch_norm_and_no_pretrained_weights() -> None:
    text = str(adapt(load_template("upernet_swin"), num_classes=4, in_channels=1, image_size=64))
    assert "SyncBN" not in text
    assert "pretrained" not in text
    assert "'num_classes': 4" in text
    assert "data_preprocessor" not in text


@needs_mmseg
def test_adapting_leaves_the_template_as_it_was() -> None:
    template = load_template("fcn_r50-d8")
    adapt(template, num_classes=4, in_channels=1, image_size=64)
    assert template == load_template("fcn_r50-d8")


@needs_mmseg
def test_options_replace_values_of_the_template() -> None:
    heads = {"decode_head.in_channels": 512, "decode_head.channels": 32, "auxiliary_head": None}
    model = MMSegSegmenter(name="fcn_r50-d8", options={"backbone.depth": 18} | heads)
    assert model.network.decode_head.channels == 32
    assert sum(p.numel() for p in model.parameters()) < 13e6


@needs_mmseg
def test_a_config_file_outside_the_package_is_found_by_path(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"model = {load_template('cgnet')!r}\n")
    assert MMSegSegmenter(name=str(tmp_path / "mine.py")).network.decode_head.num_classes == 2


@needs_mmseg
def test_the_same_dict_builds_inside_a_foreign_default_scope() -> None:
    """A Runner sets its own default scope while it builds models."""
    with DefaultScope.overwrite_default_scope("mmengine"):
        assert MMSegSegmenter(config=load_template("cgnet")).network.num_classes == 2


@needs_mmseg
def test_vit_with_relative_positions_refuses_other_frame_sizes() -> None:
    options = {"backbone.num_layers": 1, "backbone.out_indices": [0, 0, 0, 0], "backbone.embed_dims": 48}
    options |= {"neck.embed_dim": 48, "decode_head.in_channels": [48] * 4, "decode_head.channels": 16}
    options |= {"auxiliary_head": None}
    model = MMSegSegmenter(name="upernet_beit", image_size=64, options=options).eval()
    with pytest.raises(ValueError, match=r"takes frames of 64 px only, got \(96, 96\)"):
        model(torch.rand(1, 1, 1, 96, 96))


@needs_mmseg
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (dict(name="segformer_mit-b9"), r"Unknown mmseg model 'segformer_mit-b9'\. Did you mean 'segformer_mit-b0'\?"),
        (dict(name="nowhere/mine.py"), r"The mmseg config nowhere/mine\.py does not exist\."),
        (dict(), "a template's name or a config dict, and not both"),
        (dict(name="cgnet", config={}), "a template's name or a config dict, and not both"),
        (dict(config={"type": "Elsewhere"}), "type 'Elsewhere' is no plain image segmentor"),
        (dict(name="cgnet", options={"bone.depth": 1}), "no part 'bone.depth' to be replaced"),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused_in_one_sentence(arguments: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        MMSegSegmenter(**arguments)


@needs_mmseg
def test_the_placeholder_extension_is_gone_after_the_import() -> None:
    mmseg_import.import_mmseg()
    if importlib.util.find_spec("mmcv._ext") is None:
        assert "mmcv._ext" not in sys.modules


@needs_mmseg
def test_a_compiled_operator_says_what_to_do_when_it_is_called() -> None:
    mmseg_import.import_mmseg()
    if importlib.util.find_spec("mmcv._ext") is not None:
        pytest.skip("the full mmcv with its operators is installed")
    from mmcv.ops import nms

    with pytest.raises(ConfigError, match="compiled operator 'nms', which mmcv-lite does not have"):
        nms(torch.rand(3, 4), torch.rand(3), 0.5)


def test_without_the_extra_the_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mmseg" else find(name))
    mmseg_import.import_mmseg.cache_clear()
    with pytest.raises(ConfigError, match=r"need the extra 'mmseg', but mmseg is not installed.*pip install"):
        MMSegSegmenter(name="segformer_mit-b0")
    mmseg_import.import_mmseg.cache_clear()


def test_registering_the_baselines_does_not_import_mmseg() -> None:
    code = "import sys, baselines; print('mmseg' in sys.modules, 'mmcv' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "False"]


def test_building_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("mmseg", reason="the extra 'mmseg' is not installed")
    MMSegSegmenter(name="segformer_mit-b0")
    assert capsys.readouterr().out == ""
