"""XMem's working and long-term memory as pure functions on an immutable bank (Cheng 2022, section 3.2-3.3).

Elements stand in one row of storage per kind, in this order: long-term prototypes, the first frame, later
working frames by time. No function changes its bank in place; storage is joined only when a frame is memorised.
Banks of different batch items have the same size and never see each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from harness.modeling.memory_read import anisotropic_similarity, read_all, read_top

LIFE_EPS = 1e-7


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How much is remembered.

    Attributes:
        max_frames: working memory is consolidated when it holds this many frames.
        min_frames: frames that stay in it then: the first one and the latest ``min_frames - 1``.
        prototypes: elements that a consolidation adds to long-term memory.
        max_long_term: capacity of long-term memory, in elements.
    """

    max_frames: int = 10
    min_frames: int = 5
    prototypes: int = 128
    max_long_term: int = 10_000

    def __post_init__(self) -> None:
        if not 2 <= self.min_frames < self.max_frames:
            raise ValueError(f"need 2 <= min_frames < max_frames, got {self.min_frames} and {self.max_frames}")
        if not 1 <= self.prototypes <= self.max_long_term:
            raise ValueError(f"need 1 <= prototypes <= max_long_term, got {self.prototypes} and {self.max_long_term}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Bank:
    """All elements, long-term ones first; float32.

    Attributes:
        key: [B, N, Ck].
        shrinkage: [B, N].
        selection: [B, N - long_term, Ck]; prototypes have none, it is used only to make them.
        value: [B, K, N, Cv].
        used: [B, N], affinity received so far.
        life: [B, N], readings lived through.
        long_term: how many elements are prototypes.
        frame_size: elements per frame, h·w.
    """

    key: Tensor
    shrinkage: Tensor
    selection: Tensor
    value: Tensor
    used: Tensor
    life: Tensor
    long_term: int
    frame_size: int

    @property
    def working(self) -> int:
        """Number of elements in working memory."""
        return self.key.shape[1] - self.long_term

    @property
    def usage(self) -> Tensor:
        """Affinity received per reading lived through [B, N]."""
        # The paper's usage is affinity over life time. Undivided, the oldest elements would win for their age alone.
        return self.used / self.life


def new_bank(key: Tensor, shrinkage: Tensor, selection: Tensor, value: Tensor) -> Bank:
    """The bank of one frame: key, selection [B, h·w, Ck], shrinkage [B, h·w], value [B, K, h·w, Cv]."""
    # Counters take no part in the gradient; LIFE_EPS makes the usage of an element that was never read 0 and not NaN.
    zero = torch.zeros_like(shrinkage).detach()
    return Bank(
        key=key,
        shrinkage=shrinkage,
        selection=selection,
        value=value,
        used=zero,
        life=zero + LIFE_EPS,
        long_term=0,
        frame_size=key.shape[1],
    )


def read(bank: Bank, query: Tensor, selection: Tensor, top: int | None) -> tuple[Tensor, Bank]:
    """Read with queries [B, Q, Ck]; count how much each element was used.

    Args:
        top: elements that a query may read (30 in the paper's inference), None for all.

    Returns:
        readout [B, K, Q, Cv], and the bank with new counters that shares all other storage.
    """
    # −s_i Σ_c e_cj (k_ci − q_cj)²: the shrinkage s belongs to the memory element, the selection e to the query.
    similarity = anisotropic_similarity(query, selection, bank.key, bank.shrinkage)
    readout, usage = read_all(similarity, bank.value) if top is None else read_top(similarity, bank.value, top)
    return readout, replace(bank, used=bank.used + usage.detach(), life=bank.life + 1)


def memorize(bank: Bank | None, frame: Bank, limits: Limits) -> Bank:
    """Add the bank of one frame; consolidate when working memory is full, and evict before that if need be."""
    if bank is None:
        return frame
    bank = _joined(bank, frame)
    # T_max = 10 frames in the paper. Clips shorter than 45 frames never get there with every fifth frame memorised.
    if bank.working < limits.max_frames * bank.frame_size:
        return bank
    # Room is made first, so that the prototypes of this moment are never the ones that go.
    room = limits.max_long_term - limits.prototypes
    return _consolidate(_evicted(bank, room) if bank.long_term > room else bank, limits)


def keep_latest(bank: Bank | None, frame: Bank, frames: int) -> Bank:
    """Add the bank of one frame; of more than ``frames`` the oldest goes, but never the first (Cutie's short memory)."""
    if bank is None:
        return frame
    bank = _joined(bank, frame)
    size = bank.frame_size
    if bank.working <= frames * size:
        return bank
    index = torch.cat([torch.arange(size), torch.arange(2 * size, bank.key.shape[1])]).to(bank.key.device)
    selection = bank.selection[:, index]
    return _chosen(bank, index.expand(bank.key.shape[0], -1), selection=selection, long_term=0)


def _joined(bank: Bank, frame: Bank) -> Bank:
    return Bank(
        key=torch.cat([bank.key, frame.key], 1),
        shrinkage=torch.cat([bank.shrinkage, frame.shrinkage], 1),
        selection=torch.cat([bank.selection, frame.selection], 1),
        value=torch.cat([bank.value, frame.value], 2),
        used=torch.cat([bank.used, frame.used], 1),
        life=torch.cat([bank.life, frame.life], 1),
        long_term=bank.long_term,
        frame_size=bank.frame_size,
    )


def _evicted(bank: Bank, room: int) -> Bank:
    """Keep the ``room`` prototypes with the highest usage, in their order; working memory is untouched."""
    # Sorted by index: elements stay in order of time, and results do not depend on how topk breaks ties in order.
    best = bank.usage[:, : bank.long_term].topk(room, 1).indices.sort(1).values
    rest = torch.arange(bank.long_term, bank.key.shape[1], device=best.device).expand(best.shape[0], -1)
    return _chosen(bank, torch.cat([best, rest], 1), selection=bank.selection, long_term=room)


def _consolidate(bank: Bank, limits: Limits) -> Bank:
    """Turn the working frames between the first and the latest ``min_frames - 1`` into prototypes.

    The most used candidates become prototypes: each keeps its key, and re-reads value and shrinkage from all
    candidates with its own key and selection as the query (potentiation, Eq. 5).
    """
    # The first frame stays: it is the one with the given mask, and T_min − 1 latest ones show the present.
    start = bank.long_term + bank.frame_size
    stop = bank.key.shape[1] - (limits.min_frames - 1) * bank.frame_size
    candidates = slice(start, stop)
    key, shrinkage, value = bank.key[:, candidates], bank.shrinkage[:, candidates], bank.value[:, :, candidates]
    selection = bank.selection[:, start - bank.long_term : stop - bank.long_term]
    # The most used candidates are those that later frames will most likely ask for.
    chosen = bank.usage[:, candidates].topk(min(limits.prototypes, stop - start), 1).indices
    query, focus = _take(key, chosen), _take(selection, chosen)
    similarity = anisotropic_similarity(query, focus, key, shrinkage)
    # The shrinkage is averaged with the same weights as the values: one more value channel.
    values = torch.cat([value, shrinkage[:, None, :, None].expand(-1, value.shape[1], -1, 1)], -1)
    # Potentiation: a prototype is no sample but a weighted mean of its neighbourhood, which suppresses aliasing.
    reread, _ = read_all(similarity, values)
    prototypes = new_bank(query, reread[:, 0, :, -1], query, reread[..., :-1])
    return _replaced(bank, start, stop, prototypes)


def _replaced(bank: Bank, start: int, stop: int, prototypes: Bank) -> Bank:
    """Take the elements start..stop out of working memory and put prototypes at the end of long-term memory."""
    # New storage from indices: banks are immutable, because a caller may still hold the old one.
    kept_long = torch.arange(bank.long_term, device=bank.key.device)
    first = torch.arange(bank.long_term, start, device=bank.key.device)
    late = torch.arange(stop, bank.key.shape[1], device=bank.key.device)
    work = torch.cat([first, late])
    items = bank.key.shape[0]

    def part(index: Tensor, selection: Tensor) -> Bank:
        return _chosen(bank, index.expand(items, -1), selection=selection, long_term=0)

    old = part(kept_long, bank.selection[:, :0])
    new = replace(prototypes, selection=bank.selection[:, :0])
    working = part(work, bank.selection[:, work - bank.long_term])
    joined = _joined(_joined(old, new), working)
    return replace(joined, long_term=bank.long_term + prototypes.key.shape[1])


def _chosen(bank: Bank, index: Tensor, *, selection: Tensor, long_term: int) -> Bank:
    """The elements at index [B, M] of everything but ``selection``, which is given."""
    return Bank(
        key=_take(bank.key, index),
        shrinkage=bank.shrinkage.gather(1, index),
        selection=selection,
        value=bank.value.gather(2, index[:, None, :, None].expand(-1, bank.value.shape[1], -1, bank.value.shape[-1])),
        used=bank.used.gather(1, index),
        life=bank.life.gather(1, index),
        long_term=long_term,
        frame_size=bank.frame_size,
    )


def _take(rows: Tensor, index: Tensor) -> Tensor:
    """Rows [B, N, C] at index [B, M] → [B, M, C]."""
    return rows.gather(1, index.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))
