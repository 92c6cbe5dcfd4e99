"""Cine clips from real stills: each ED/ES pair becomes a half beat with real texture and masks on every frame."""

from harness.phantom.cine.clip import CINE_VERSION, MARK, make_clip
from harness.phantom.cine.dataset import CineClips, build_dataset
from harness.phantom.cine.outlines import CineRefusal

__all__ = ["CINE_VERSION", "MARK", "CineClips", "CineRefusal", "build_dataset", "make_clip"]
