"""Why there is no CUDA device is told; TF32 is one switch for products and convolutions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from harness.errors import ConfigError
from harness.modeling.precision import allow_tf32, missing_device
from harness.profiling import ProfileSettings
from harness.store.environment import cuda_environment, environment
from harness.training.device import resolve_device

OLD = (
    "The NVIDIA driver on your system is too old (found version 12020). Please update your GPU driver by downloading and "
    "installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two CUDA devices, as far as torch is asked."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"NVIDIA H100 ({index})")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(torch.version, "cuda", "13.0")


@pytest.fixture(autouse=True)
def _given_back() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_a_number_too_high_is_refused_before_anything_runs(devices: None) -> None:
    assert missing_device(torch.device("cuda:1")) is None
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ConfigError, match="There is no CUDA device 'cuda:2': there are 2, counted from cuda:0"):
        resolve_device("cuda:2")
    with pytest.raises(ConfigError, match=r"not available on this machine .*counted from cuda:0"):
        ProfileSettings(device="cuda:7").resolved()


def test_a_driver_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def init() -> None:
        raise RuntimeError(OLD)

    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    reason = "torch is built for CUDA 13.0: The NVIDIA driver on your system is too old \\(found version 12020\\)"
    with pytest.raises(ConfigError, match=f"finds no CUDA device \\({reason}\\); use auto or cpu"):
        resolve_device("cuda")


def test_a_torch_without_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert missing_device(torch.device("cuda")) == f"torch {torch.__version__} is built without CUDA"
    assert missing_device(torch.device("cpu")) is None


def test_the_record_holds_devices_driver_and_what_fp32_means(devices: None, tmp_path) -> None:
    version = tmp_path / "version"
    version.write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:17:37 UTC 2025\nGCC 12\n"
    )
    allow_tf32(False)
    assert cuda_environment(version) == {
        "devices": ["NVIDIA H100 (0)", "NVIDIA H100 (1)"],
        "visible": None,
        "driver": "580.65.06",
        "cuda": "13.0",
        "cudnn": 91002,
        "tf32": {"products": False, "convolutions": False},
    }
    allow_tf32(True)
    assert environment()["cuda"]["tf32"] == {"products": True, "convolutions": True}


def test_without_a_cuda_device_the_record_says_nothing_of_it() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    assert "cuda" not in environment()
