"""What every registered perturbation must satisfy."""

from __future__ import annotations

import itertools

import pytest
import torch

from harness.perturbations import SEVERITIES, clip_hash
from harness.perturbations.sector import find_sector
from harness.registry import PERTURBATIONS, list_perturbations

NAMES = list_perturbations(passing=True)


@pytest.fixture(scope="module")
def clip(fan_clip) -> torch.Tensor:
    return fan_clip()


def build(name: str):
    return PERTURBATIONS.build({"type": name})


def test_there_are_at_least_twelve():
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_severity_zero_is_the_identity(name, clip):
    assert torch.equal(build(name)(clip, 0, "case"), clip)


@pytest.mark.parametrize("name", NAMES)
def test_distortion_grows_with_severity(name, clip):
    """On the mean of several cases: the pattern of a case is drawn once, only its strength changes."""
    errors = []
    for severity in SEVERITIES:
        differences = [(build(name)(clip, severity, f"case{k}") - clip).abs().mean() for k in range(6)]
        errors.append(float(torch.stack(differences).mean()))
    assert errors[0] > 0
    assert all(a <= b for a, b in itertools.pairwise(errors)), errors
    assert errors[-1] > errors[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_range_dtype_shape_and_finiteness_are_kept(name, dtype, clip):
    out = build(name)(clip.to(dtype), 5, "case")
    assert out.dtype == dtype
    assert out.shape == clip.shape
    assert bool(out.isfinite().all())
    assert 0 <= float(out.min()) <= float(out.max()) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_pixels_outside_of_the_sector_are_untouched(name, clip):
    mask = find_sector(clip).mask
    out = build(name)(clip, 5, "case")
    assert torch.equal(out[:, ~mask], clip[:, ~mask])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_case_gives_the_same_bytes_and_another_case_may_not(name, clip):
    state = torch.random.get_rng_state()
    first = build(name)(clip, 3, "patient0001_4CH")
    torch.rand(5)
    again = build(name)(clip.clone(), 3, "patient0001_4CH")
    assert clip_hash(first) == clip_hash(again)
    torch.random.set_rng_state(state)


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_depend_on_nothing_but_clip_case_and_severity(name, fan_clip, clip):
    """Whatever was perturbed before, alone or among others, on one thread or two; the clip given stays as it is."""
    perturbation, others = build(name), [fan_clip(frames=4, seed=k) for k in (1, 2)]
    before, threads = clip.clone(), torch.get_num_threads()
    alone = clip_hash(perturbation(clip, 4, "case"))
    among = [clip_hash(perturbation(item, 4, case)) for item, case in zip((*others, clip), "abc", strict=True)]
    assert clip_hash(perturbation(clip, 4, "c")) == among[-1]
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert clip_hash(perturbation(clip, 4, "case")) == alone
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(clip, before)


@pytest.mark.parametrize("name", NAMES)
def test_random_numbers_are_drawn_on_the_cpu_whatever_the_device(name, clip, monkeypatch):
    """The pattern cannot differ between devices: no other source of random numbers is asked."""
    for function in ("randn_like", "rand_like", "normal", "bernoulli", "randint", "randperm"):
        monkeypatch.setattr(torch, function, lambda *args, **kwargs: pytest.fail("a second source of random numbers"))
    devices = []
    for function in ("rand", "randn"):
        drawn = getattr(torch, function)

        def spy(*args, drawn=drawn, **kwargs):
            devices.append(kwargs["generator"].device.type)
            return drawn(*args, **kwargs)

        monkeypatch.setattr(torch, function, spy)
    build(name)(clip, 3, "case")
    assert set(devices) <= {"cpu"}


@pytest.mark.parametrize("name", NAMES)
def test_global_random_numbers_are_not_consumed(name, clip):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    build(name)(clip, 3, "case")
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    "name", ["speckle", "electronic_noise", "acoustic_shadow", "haze", "frozen_frames", "lateral_dropout"]
)
def test_random_patterns_differ_between_cases(name, fan_clip):
    clip = fan_clip(frames=12)
    assert clip_hash(build(name)(clip, 5, "a")) != clip_hash(build(name)(clip, 5, "b"))


@pytest.mark.parametrize("name", NAMES)
def test_a_single_frame_works_and_only_the_order_of_frames_has_nothing_to_change_in_it(name, clip):
    out = build(name)(clip[:1], 3, "case")
    assert out.shape == clip[:1].shape
    assert bool(out.isfinite().all())
    assert torch.equal(out, clip[:1]) == (build(name).coherence == "frames")


@pytest.mark.parametrize("name", NAMES)
def test_temporal_coherence_is_what_the_class_says(name, fan_clip):
    """On a still clip the change itself shows how the pattern moves: static never, drifting slowly, independent freely."""
    still = fan_clip(frames=1).repeat(8, 1, 1)
    perturbation = build(name)
    mask = find_sector(still).mask
    change = (perturbation(still, 3, "case") - still)[:, mask]
    if perturbation.coherence in ("static", "frames"):
        assert torch.allclose(change, change[:1].expand_as(change), atol=1e-5)
        return
    correlation = torch.stack([torch.corrcoef(torch.stack([a, b]))[0, 1] for a, b in itertools.pairwise(change)]).mean()
    if perturbation.coherence == "drifting":
        assert 0.3 < float(correlation) < 0.999
    else:
        assert abs(float(correlation)) < 0.1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", [-1, 5.5])
def test_a_severity_out_of_range_is_refused(name, severity, clip):
    with pytest.raises(ValueError, match="severity must be between 0 and 5"):
        build(name)(clip, severity, "case")


@pytest.mark.cuda
@pytest.mark.parametrize("name", NAMES)
def test_cuda_agrees_with_cpu(name, clip):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu = build(name)(clip, 4, "case")
    on_gpu = build(name)(clip.cuda(), 4, "case").cpu()
    changed = (on_cpu - on_gpu).abs() > 1 / 255
    assert float(changed.float().mean()) < 1e-3


def test_frozen_frames_show_the_past_only(clip):
    mask = find_sector(clip).mask
    out = build("frozen_frames")(clip, 5, "case")
    for t in range(clip.shape[0]):
        assert any(torch.equal(out[t][mask], clip[s][mask]) for s in range(t + 1))


def test_jpeg_agrees_with_a_real_encoder(fan_clip):
    """OpenCV's encoder at quality 50 uses the standard's table times one: same loss within a grey level on average."""
    cv2 = pytest.importorskip("cv2")
    clip = fan_clip(frames=1, size=96)
    grey = (clip[0] * 255).round().to(torch.uint8).numpy()
    _, code = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 50])
    expected = torch.from_numpy(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)).float() / 255
    ours = build("jpeg").at_strength(torch.from_numpy(grey)[None].float() / 255, 1.0, "case")[0]
    mask = find_sector(clip).mask
    assert float((ours - expected)[mask].abs().mean()) < 1.0 / 255
