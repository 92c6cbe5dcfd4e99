"""Reading files of tensors that may come from anybody: nothing in them runs, and nothing is read that they only claim."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import is_out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def read_tensors(path: Path | str, device: torch.device | str = "cpu", *, unchecked: bool = False) -> Any:
    """What ``torch.save`` wrote, as tensors and plain types.

    Args:
        path: the file.
        device: where the tensors go.
        unchecked: also take PyTorch's format from before version 1.6, which has no checksums (published weights).

    Raises:
        FileNotFoundError: there is no such file. ValueError: it is damaged, claims to be larger than it is, or needs
            more than tensors and plain types; the message is a short reason. MemoryError: there is no room for it.
    """
    import torch

    path = Path(path)
    if zipfile.is_zipfile(path):
        _check_archive(path)
    elif not unchecked:
        with open(path, "rb"):  # a missing file is told as one
            raise ValueError("it is no archive as torch.save writes it")
    try:
        # weights_only: a file from somebody else must not be able to run code.
        return torch.load(path, map_location=device, weights_only=True)
    except (OSError, MemoryError):
        raise
    # torch raises whatever its unpickler meets in a torn file; all of it means the same to the user.
    except Exception as error:
        if is_out_of_memory(error):
            raise MemoryError(str(path)) from error
        lines = str(error).splitlines() or [type(error).__name__]
        foreign = [line for line in lines if "Unsupported global: GLOBAL" in line]
        raise ValueError((foreign or lines)[0].strip()) from error


def _check_archive(path: Path) -> None:
    """Compare sizes and checksums inside the file; torch does neither, and a flipped bit would be a wrong weight."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = os.path.getsize(path)
            # torch stores and never compresses: a small file that unpacks to gigabytes is none of its.
            if any(item.compress_type != zipfile.ZIP_STORED for item in archive.infolist()):
                raise ValueError("it is compressed, which torch.save never does")
            if sum(item.file_size for item in archive.infolist()) > size:
                raise ValueError("its parts are larger than the file")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, OverflowError) as error:
        raise ValueError(str(error) or "its directory is damaged") from error
    except OSError as error:
        # A damaged directory sends zipfile to places before the file's begin.
        if error.errno != errno.EINVAL:
            raise
        raise ValueError("its directory is damaged") from error
    if damaged is not None:
        raise ValueError(f"checksum of {damaged}")


def mismatch(expected: Mapping[str, Tensor], given: object) -> str | None:
    """What keeps ``given`` from being the weights of a model whose state dict is ``expected``; None where nothing does.

    Names, shapes and kinds of numbers are compared: ``load_state_dict`` would cast integers or complex numbers silently.
    """
    import torch

    if not isinstance(given, Mapping) or not all(isinstance(value, torch.Tensor) for value in given.values()):
        return "it holds no state dict"
    if strange := sorted(set(expected) ^ set(given)):
        side = "lacks" if strange[0] in expected else "has a surplus"
        return f"it {side} tensor {strange[0]} ({len(strange)} names differ)"
    for name, tensor in expected.items():
        if given[name].shape != tensor.shape:
            return f"the tensor {name} has shape {tuple(given[name].shape)} instead of {tuple(tensor.shape)}"
        if _kind(given[name]) != _kind(tensor):
            return f"the tensor {name} is of type {given[name].dtype} instead of {tensor.dtype}"
    return None


def _kind(tensor: Tensor) -> str:
    """A model may be kept in another floating precision than it is built in; anything else is another model."""
    return "floating" if tensor.is_floating_point() else str(tensor.dtype)
