"""Every option and config value is typed once: what is wrong is one sentence at plan time, before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import BenchError, ConfigError
from harness.experiments import SuiteOptions, plan_suite
from harness.experiments.schemas import check_build
from harness.modules import import_modules
from harness.profiling import ProfileSettings

SMALL = ("generate.patients=(1, 1, 1)", "models.unet.widths=(4, 8)", "recipe.image_size=32")

WRONG = [
    ("recipe=5", r"The recipe must be a section of keys \(a dict\), got 5"),
    ('recipe={"iterations": 4}', r"The recipe lacks image_size"),
    ("models=5", r"The model 'unet' must be a section .*models\.unet\.widths"),
    ("models.unet=5", r"The model 'unet' must be a section .*got 5"),
    ("models.unet=None", r"The model 'unet' must be a section"),
    ("endpoint=5", r"endpoint must be the name of a measure, got 5"),
    ("margins=5", r"margins must be a section"),
    ("margins.dice=5", r"margins must be a section"),
    ("margins.dice.value=-1", r"margin of dice is -1"),
    ("profile=5", r"profile must be a section"),
    ("dataset=5", r"The dataset must be a section"),
    ("generate=5", r"generate must be a section"),
    ("recipe.iteration=5", r"Did you mean 'recipe\.iterations'"),
    ("recipe.iterations=1.5", r"iterations must be a whole number, got 1\.5"),
    ("recipe.iterations=-1", r"iterations must be greater than 0"),
    ("recipe.optimizer.lr=1e999", r"lr must be a finite number, got inf"),
    ("recipe.optimizer.lr=0", r"lr must be greater than 0"),
    ("recipe.optimizer.backbone_lr_factor=-1", r"backbone_lr_factor must be 0 or more"),
    ("recipe.schedule.warmup=-1", r"warmup must be 0 or more"),
    ("recipe.loss.ce=-1", r"loss\.ce must be 0 or more"),
    ("recipe.image_size=100000", r"image_size must be 4,096 or less"),
    ("recipe.image_size=1", r"image_size must be 16 or more"),
    ("recipe.batch_size=True", r"batch_size must be a whole number, got True"),
    ("recipe.workers=1000000", r"workers must be 256 or less"),
    ("recipe.device=cudaa", r"device must be auto, cpu, cuda"),
    ("recipe.precision=fp8", r"Unknown value 'fp8'.*fp16"),
    ("recipe.augment=5", r"augment must be .* got 5"),
    ("recipe.augment=foo", r"augment must be .* got 'foo'"),
    ('recipe.augment=[{"type": "subprocess.Popen", "args": ["true"]}]', r"no registered name"),
    ('recipe.augment=[{"type": "PaperAugmentation", "foo": 1}]', r"cannot be built"),
    ('recipe.augment=[{"type": "Nope"}]', r"Unknown transform 'Nope'"),
    ('recipe.custom_imports=["no_such_module"]', r"no_such_module, which cannot be imported"),
    ('recipe.custom_hooks=[{"type": "Nope"}]', r"custom_hooks entry .* cannot be built"),
    ("recipe.vis_backends=5", r"vis_backends must be a list"),
    ('recipe.vis_backends=[{"type": "Nope"}]', r"Unknown backend 'Nope'"),
    ("models.unet.widths=5", r"The model 'unet' cannot be built"),
    ("models.unet.widths=[]", r"The model 'unet' cannot be built"),
    ("models.unet.widths=[-1, 2]", r"The model 'unet' cannot be built"),
    ('models.unet.widths=["a", 2]', r"The model 'unet' cannot be built"),
    ("models.unet.widths=[100000000, 2]", r"needs \d+ GB for its weights alone"),
    ("models.unet.type=5", r"must be a section of keys with a type"),
    ("models.unet.type=Foo", r"Unknown model type 'Foo'"),
    ("models.unet.type=os.system", r"no registered name"),
    ("dataset.root=5", r"The dataset's root must be a text, got 5"),
    ("dataset.type=Foo", r"Unknown dataset type 'Foo'.*Camus"),
    ("dataset.views=5", r"views must be a list"),
    ("dataset.clip=5", r"clip must be a text"),
    ("dataset.split_dir=5", r"split_dir must be a text"),
    ("generate.patients=5", r"patients must be a list"),
    ('generate.patients=("a", 1, 1)', r"patients must be a whole number, got 'a'"),
    ("generate.patients=(1.5, 1, 1)", r"patients must be a whole number, got 1\.5"),
    ("generate.patients=(0, 0, 0)", r"at least one above 0"),
    ("generate.seed=a", r"seed must be a whole number"),
    ("generate.seed=-1", r"seed must be 0 or more"),
    ("generate.pixel_mm=a", r"pixel_mm must be a number"),
    ("generate.pixel_mm=1e999", r"pixel_mm must be a finite number"),
    ("generate.function=os.nothing", r"cannot be imported"),
    ("generate.folder=../elsewhere", r"folder must be a name below the data folder"),
    ("profile.repeats=-1", r"repeats must be greater than 0"),
    ("profile.warmup=a", r"warmup must be a whole number"),
]


def _refused(options: SuiteOptions, sentence: str, data: Path) -> None:
    with pytest.raises(BenchError, match=sentence) as caught:
        plan_suite(options, progress=False)
    assert "\n" not in str(caught.value)
    assert not data.exists(), "something was generated before the mistake was told"


@pytest.mark.parametrize(("override", "sentence"), WRONG, ids=[item for item, _ in WRONG])
def test_a_wrong_override_is_refused_before_anything_is_made(override: str, sentence: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    _refused(SuiteOptions(models=("unet",), overrides=(*SMALL, override), data_root=data), sentence, data)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        (dict(seeds=(-1,)), r"seeds must be 0 or more, got -1"),
        (dict(seeds=(10**20,)), r"seeds must be less than"),
        (dict(seeds=(1, 1)), r"names 1 twice"),
        (dict(seeds=()), r"seeds must be a list of at least 1"),
        (dict(models=()), r"models must be a list of at least 1"),
        (dict(models=("unet", "unet")), r"names unet twice"),
        (dict(models=("unet:foo",)), r"'unet' is no family"),
        (dict(models=("unt",)), r"Unknown model 'unt'\. Did you mean 'unet'"),
        (dict(dataset="phantm"), r"Did you mean 'phantom'"),
        (dict(first_frame="gtt"), r"Did you mean 'gt'"),
        (dict(size="smal"), r"Did you mean 'small'"),
        (dict(recipe="phantom_smal"), r"Did you mean 'phantom_small'"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_before_anything_is_made(
    chosen: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    _refused(SuiteOptions(**{"models": ("unet",), "data_root": data, **chosen}), sentence, data)


CONFIGS = [
    ("models", "sizes = 5", r"sizes must be a section"),
    ("models", "sizes = dict(small=5)", r"sizes\.small must be a section"),
    ("models", "label = 'x'", r"lacks sizes"),
    ("models", "label = 5\nsizes = dict(small=dict(type='UNet'))", r"label must be a text, got 5"),
    ("models", "sizes = dict(small=dict(widths=(4, 8)))", r"Unknown model type"),
    ("models", "sizes = dict(small=dict(type=5))", r"Unknown model type"),
    ("models", "sizes = dict(small=dict(type='UNet', widhts=(4, 8)))", r"Unknown key 'widhts'.*'widths'"),
    ("recipe", "recipe = 5", r"defines no `recipe"),
    ("recipe", "x = 5", r"defines no `recipe"),
    (
        "recipe",
        "recipe = dict(seed=1)\nvis_backends = []",
        r"has vis_backends beside its recipe; write `recipe = dict\(vis_backends=",
    ),
    ("recipe", "recipe = dict(iterations=5)", r"The recipe lacks image_size"),
    ("suite", "suite = 5", r"defines no `suite"),
    ("suite", "x = 5", r"defines no `suite"),
    ("suite", "suite = dict(dataset='phantom')", r"lacks reference"),
    ("dataset", "x = 5", r"defines no `dataset"),
    ("dataset", "dataset = dict(root=None)", r"lacks type, clip"),
    ("dataset", "dataset = 5", r"defines no `dataset"),
    ("models", "import sys; sys.exit(0)", r"cannot be read"),
    ("models", "raise ValueError('first\\nsecond')", r"cannot be read: first"),
]


@pytest.mark.parametrize(("kind", "text", "sentence"), CONFIGS, ids=[f"{kind}: {text}" for kind, text, _ in CONFIGS])
def test_a_wrong_config_file_is_refused_before_anything_is_made(
    kind: str, text: str, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text + "\n")
    data = tmp_path / "data"
    name: Any = (str(file),) if kind == "models" else str(file)
    _refused(SuiteOptions(**{"models": ("unet",), "data_root": data, kind: name}), sentence, data)


@pytest.mark.parametrize(
    "settings",
    [
        *(dict(threads=0), dict(threads=-1), dict(image_size=0), dict(batch_size=10**9), dict(warmup=-1), dict(foo=1)),
        *(dict(device="tpu"), dict(engines=("nope",)), dict(memory_lengths=(0,)), dict(clip_length="a")),
        dict(precision="x"),
    ],
    ids=str,
)
def test_a_wrong_profile_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"Unknown|must be"):
        ProfileSettings(**settings)


def test_a_model_that_cannot_be_built_without_memory_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A constructor that computes with its weights (published weights that it reads) needs real ones."""
    from harness.registry import MODELS, load_plugins

    load_plugins()

    class Computing(MODELS.get("UNet")):  # type: ignore[misc]
        def __init__(self, *, scale: float = 1.0, **rest: Any) -> None:
            super().__init__(widths=(4, 8), **rest)
            if not float(sum(p.sum() for p in self.parameters())) * scale < 1e9:
                raise ValueError("scale is not finite\nat all")

    monkeypatch.setitem(MODELS.module_dict, "Computing", Computing)
    check_build({"type": "Computing"}, "the model 'mine'")
    with pytest.raises(ConfigError, match=r"The model 'mine' cannot be built: scale is not finite; correct"):
        check_build({"type": "Computing", "scale": float("nan")}, "the model 'mine'")


@pytest.mark.parametrize("text", ["import sys\nsys.exit(0)\n", "raise ValueError('first\\nsecond')\n", "1 / 0\n"])
def test_a_module_of_ones_own_that_raises_or_ends_the_process_is_a_sentence(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    for names, folder in ((["mine"], tmp_path), ([str(tmp_path / "mine.py")], None)):
        with pytest.raises(
            ConfigError, match=r"The module .*mine.* cannot be imported \(\w+: .*\); correct it"
        ) as caught:
            import_modules(names, folder)
        assert "second" not in str(caught.value)
