"""XMem's bank: each rule against its definition, on numbers that can be followed by hand."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from baselines.xmem_memory import Bank, Limits, memorize, new_bank, read

LIMITS = Limits(max_frames=3, min_frames=2, prototypes=2, max_long_term=4)
CLOSE = dict(atol=1e-5, rtol=1e-5)


def frame(number: int, items: int = 1) -> Bank:
    """A frame of three elements whose value channel 0 is 10·number + position."""
    generator = torch.Generator().manual_seed(number)
    key, selection = torch.randn(2, items, 3, 4, generator=generator).unbind(0)
    value = (10 * number + torch.arange(3.0)).view(1, 1, 3, 1).repeat(items, 2, 1, 1)
    return new_bank(key, 1 + torch.rand(items, 3, generator=generator), selection.sigmoid(), value)


def labels(bank: Bank) -> list[float]:
    return bank.value[0, 0, :, 0].tolist()


def used(bank: Bank, usage: Tensor) -> Bank:
    return replace(bank, used=usage.expand_as(bank.used), life=torch.ones_like(bank.life))


def test_frames_are_appended_until_working_memory_is_full() -> None:
    bank = memorize(memorize(None, frame(0), LIMITS), frame(1), LIMITS)
    assert labels(bank) == [0, 1, 2, 10, 11, 12]
    assert (bank.long_term, bank.working) == (0, 6)


def test_a_full_working_memory_keeps_the_first_and_latest_frames_and_consolidates_the_rest() -> None:
    bank = memorize(memorize(None, frame(0), LIMITS), frame(1), LIMITS)
    full = memorize(bank, frame(2), LIMITS)
    assert (full.long_term, full.working) == (2, 6)
    assert labels(full)[2:] == [0, 1, 2, 20, 21, 22]
    assert full.selection.shape == (1, 6, 4)
    assert labels(bank) == [0, 1, 2, 10, 11, 12], "the old bank must stay as it was"


def test_the_most_used_candidates_become_prototypes_and_reread_value_and_shrinkage() -> None:
    bank = memorize(memorize(None, frame(0), LIMITS), frame(1), LIMITS)
    bank = used(bank, torch.tensor([[9.0, 9, 9, 0.1, 0.7, 0.5]]))
    full = memorize(bank, frame(2), LIMITS)
    candidate = frame(1)
    assert torch.equal(full.key[0, :2], candidate.key[0, [1, 2]])
    for row, chosen in enumerate((1, 2)):
        k, q, e = candidate.key[0].double(), candidate.key[0, chosen].double(), candidate.selection[0, chosen].double()
        similarity = -candidate.shrinkage[0].double() * (e * (k - q) ** 2).sum(1) / 2
        weight = similarity.softmax(0)
        torch.testing.assert_close(
            full.value[0, 1, row, 0].double(), (weight * candidate.value[0, 1, :, 0]).sum(), **CLOSE
        )
        torch.testing.assert_close(full.shrinkage[0, row].double(), (weight * candidate.shrinkage[0]).sum(), **CLOSE)


def test_the_least_used_prototypes_are_evicted_when_long_term_memory_is_full() -> None:
    limits = Limits(max_frames=3, min_frames=2, prototypes=2, max_long_term=4)
    bank = None
    for number in range(4):
        bank = memorize(bank, frame(number), limits)
    assert bank is not None
    assert bank.long_term == 4
    bank = used(bank, torch.tensor([[0.4, 0.1, 0.3, 0.2, *[0.5] * 6]]))
    survivors = bank.key[0, [0, 2]]
    bank = memorize(bank, frame(4), limits)
    assert bank.long_term == 4
    assert torch.equal(bank.key[0, :2], survivors)
    assert labels(bank)[4:] == [0, 1, 2, 40, 41, 42]


def test_reading_counts_usage_and_life_in_a_new_bank_that_shares_storage() -> None:
    bank = frame(0)
    query = torch.randn(1, 5, 4)
    readout, after = read(bank, query, torch.rand(1, 5, 4), 2)
    assert readout.shape == (1, 2, 5, 1)
    torch.testing.assert_close(after.used.sum(), torch.tensor(5.0))
    torch.testing.assert_close(after.life, torch.ones(1, 3))
    assert bank.used.sum() == 0
    assert after.value.data_ptr() == bank.value.data_ptr()


def test_items_of_a_batch_are_consolidated_and_evicted_by_themselves() -> None:
    torch.manual_seed(0)

    def run(items: slice) -> Bank:
        bank = None
        for number in range(6):
            bank = memorize(bank, _item(frame(number, items=2), items), LIMITS)
            generator = torch.Generator().manual_seed(number)
            query, selection = torch.rand(2, 2, 5, 4, generator=generator).unbind(0)
            _, bank = read(bank, query[items], selection[items], 2)
        assert bank is not None
        return bank

    both, second = run(slice(0, 2)), run(slice(1, 2))
    torch.testing.assert_close(both.key[1:], second.key)
    torch.testing.assert_close(both.value[1:], second.value)
    torch.testing.assert_close(both.used[1:], second.used)


def _item(bank: Bank, items: slice) -> Bank:
    return new_bank(bank.key[items], bank.shrinkage[items], bank.selection[items], bank.value[items])


def test_usage_is_counted_per_reading_so_that_age_alone_makes_no_prototype() -> None:
    bank = memorize(memorize(None, frame(0), LIMITS), frame(1), LIMITS)
    # Element 0 of frame 1 received most in all, but over ten readings; elements 1 and 2 more in each.
    bank = replace(
        bank,
        used=torch.tensor([[9.0, 9, 9, 5.0, 0.9, 0.8]]),
        life=torch.tensor([[1.0, 1, 1, 10.0, 1.0, 1.0]]),
    )
    full = memorize(bank, frame(2), LIMITS)
    assert torch.equal(full.key[0, :2], frame(1).key[0, [1, 2]])


def test_usage_per_reading_decides_which_prototypes_are_evicted() -> None:
    bank = None
    for number in range(4):
        bank = memorize(bank, frame(number), LIMITS)
    assert bank is not None
    long_term = bank.key[0, :4]
    bank = replace(
        bank,
        used=torch.tensor([[8.0, 0.9, 7.0, 0.8, *[0.5] * 6]]),
        life=torch.tensor([[20.0, 1.0, 20.0, 1.0, *[1.0] * 6]]),
    )
    kept = memorize(bank, frame(4), LIMITS).key[0, :2]
    assert torch.equal(kept, long_term[[1, 3]])
