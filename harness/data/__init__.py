"""Datasets, their prepared caches, and training clips made from these."""

from harness.data.cache import PreparedCache, PreparedClip, PreparedSplit, prepare
from harness.data.camus import Camus, Phantom
from harness.data.camus_mhd import CamusMhd
from harness.data.dataset import EchoDataset, Finding
from harness.data.echonet import EchoNet
from harness.data.sampling import ClipDataset, IterationBatches, make_loader, resample_indices
from harness.data.travel import pack, unpack

__all__ = [
    "Camus",
    "CamusMhd",
    "ClipDataset",
    "EchoDataset",
    "EchoNet",
    "Finding",
    "IterationBatches",
    "Phantom",
    "PreparedCache",
    "PreparedClip",
    "PreparedSplit",
    "make_loader",
    "pack",
    "prepare",
    "resample_indices",
    "unpack",
]
