"""States as trees: their tensors, copies of the same form, and when two are of one form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from harness.engines.static import StaticStep
from harness.engines.tree import mapped, signature, tensors_in


class Pair(NamedTuple):
    key: Tensor
    value: Tensor | None


@dataclass(frozen=True, slots=True)
class State:
    time: int
    pair: Pair
    rest: Any = None


STATE = State(3, Pair(torch.zeros(2), None), {"a": [torch.ones(1)], "b": (True, "text")})


def test_tensors_are_read_and_replaced_in_one_order() -> None:
    assert [tensor.shape for tensor in tensors_in(STATE)] == [(2,), (1,)]
    doubled = mapped(STATE, lambda tensor: tensor + 1)
    assert isinstance(doubled.pair, Pair)
    assert (doubled.time, doubled.pair.value, doubled.rest["b"]) == (3, None, (True, "text"))
    assert [float(tensor[0]) for tensor in tensors_in(doubled)] == [1.0, 2.0]


@pytest.mark.parametrize(
    "other",
    [
        replace(STATE, time=4),
        replace(STATE, pair=Pair(torch.zeros(3), None)),
        replace(STATE, pair=Pair(torch.zeros(2, dtype=torch.float64), None)),
        replace(STATE, pair=Pair(torch.zeros(2), torch.zeros(1))),
        replace(STATE, rest={"a": [torch.ones(1)], "c": (True, "text")}),
        replace(STATE, rest={"a": (torch.ones(1),), "b": (True, "text")}),
    ],
    ids=["value", "shape", "type", "missing", "key", "form"],
)
def test_states_on_which_the_work_could_differ_have_other_signatures(other: State) -> None:
    assert signature(other) != signature(STATE)
    assert signature(mapped(STATE, lambda tensor: tensor + 5)) == signature(STATE)


def test_a_form_is_prepared_once_and_the_oldest_makes_room() -> None:
    prepared: list[tuple[int, ...]] = []

    def prepare(step: Any, frame: Tensor, state: Any) -> Any:
        prepared.append(tuple(frame.shape))
        return step

    step = StaticStep(lambda frame, state: (frame, state), prepare, most=2)
    for size in (1, 2, 1, 3, 1, 2):
        frame = torch.zeros(size)
        assert step(frame, None)[0] is frame
    assert prepared == [(1,), (2,), (3,), (2,)]
