"""Datasets, their prepared caches, and training clips made from these."""

from harness.data.archive import pack, unpack
from harness.data.cache import PreparedCache, PreparedClip, PreparedSplit, prepare
from harness.data.camus import Camus
from harness.data.camus_mhd import CamusMhd
from harness.data.camus_phantom import Phantom
from harness.data.dataset import EchoDataset
from harness.data.echonet import EchoNet
from harness.data.findings import Finding
from harness.data.folder import Folder
from harness.data.inspection import check
from harness.data.sampling import ClipDataset, IterationBatches, resample_indices

__all__ = [
    "Camus",
    "CamusMhd",
    "ClipDataset",
    "EchoDataset",
    "EchoNet",
    "Finding",
    "Folder",
    "IterationBatches",
    "Phantom",
    "PreparedCache",
    "PreparedClip",
    "PreparedSplit",
    "check",
    "pack",
    "prepare",
    "resample_indices",
    "unpack",
]
