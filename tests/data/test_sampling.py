"""Training clips: time resampling, class ids, and randomness that only (seed, draw) decides."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from harness.data import Camus, ClipDataset, IterationBatches, PreparedSplit, prepare, resample_indices
from harness.data.sampling import collate
from harness.errors import ConfigError

AUGMENT = [dict(type="PaperAugmentation", flip=0.5)]


@pytest.fixture(scope="module")
def split(camus_root_shared: Path, tmp_path_factory: pytest.TempPathFactory) -> PreparedSplit:
    cache = prepare(
        Camus(camus_root_shared), image_size=32, cache_root=tmp_path_factory.mktemp("c"), workers=1, progress=False
    )
    return cache.split("train")


@pytest.mark.parametrize(
    ("count", "length", "expected"),
    [
        (5, 3, [0, 2, 4]),
        (10, 4, [0, 3, 6, 9]),
        (2, 4, [0, 0, 1, 1]),
        (4, None, [0, 1, 2, 3]),
        (7, 1, [0]),
        (1, 3, [0, 0, 0]),
    ],
)
def test_resampling_keeps_both_ends(count: int, length: int | None, expected: list[int]) -> None:
    assert resample_indices(count, length).tolist() == expected


def test_items_have_the_promised_shapes_types_and_range(split: PreparedSplit) -> None:
    item = ClipDataset(split, clip_length=3, structures="all")[1, 0]
    assert item["frames"].shape == (3, 1, 32, 32)
    assert item["frames"].dtype == torch.float32
    assert 0 <= item["frames"].min() < item["frames"].max() <= 1
    assert item["masks"].shape == (3, 32, 32)
    assert item["masks"].dtype == torch.int64
    assert item["labelled"].tolist() == [True, False, True]
    assert item["index"] == 1


@pytest.mark.parametrize(
    ("structures", "classes"),
    [("lv", {1: 1}), ("all", {1: 1, 2: 2, 3: 3}), (("la", "lv"), {3: 1, 1: 2})],
)
def test_structures_map_labels_to_classes_and_the_rest_to_background(
    split: PreparedSplit, structures: str, classes: dict
) -> None:
    masks = ClipDataset(split, clip_length=None, structures=structures)[0, 0]["masks"].numpy()
    stored = np.asarray(split.clip(0).masks)
    for label in range(4):
        assert set(np.unique(masks[stored == label])) == {classes.get(label, 0)}


def test_unknown_structures_name_the_valid_ones(split: PreparedSplit) -> None:
    with pytest.raises(ConfigError, match="has no masks of lb; choose among"):
        ClipDataset(split, clip_length=2, structures="lb")


def test_the_same_draw_gives_the_same_item_whatever_came_before(split: PreparedSplit) -> None:
    one, other = (ClipDataset(split, clip_length=3, structures="lv", transforms=AUGMENT, seed=5) for _ in range(2))
    torch.manual_seed(1)
    other[2, 17], other[0, 3]
    torch.testing.assert_close(one[0, 7]["frames"], other[0, 7]["frames"], rtol=0, atol=0)
    assert not torch.equal(one[0, 7]["frames"], one[0, 8]["frames"])
    reseeded = ClipDataset(split, clip_length=3, structures="lv", transforms=AUGMENT, seed=6)
    assert not torch.equal(one[0, 7]["frames"], reseeded[0, 7]["frames"])


def test_batch_k_does_not_depend_on_where_the_sampler_started() -> None:
    whole = list(islice(IterationBatches(7, 3, seed=1), 20))
    for start in (1, 6, 19):
        assert next(iter(IterationBatches(7, 3, seed=1, start=start))) == whole[start]


def test_every_clip_is_seen_once_before_any_is_seen_again() -> None:
    items = [item for batch in islice(IterationBatches(7, 3, seed=1), 14) for item in batch]
    indices, draws = zip(*items, strict=True)
    assert list(draws) == list(range(42))
    for epoch in range(6):
        assert sorted(indices[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert indices[:7] != indices[7:14]


def test_a_batch_may_be_larger_than_the_split() -> None:
    batch = next(iter(IterationBatches(2, 5, seed=0)))
    assert len(batch) == 5
    assert {index for index, _ in batch} == {0, 1}


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(ConfigError, match="A batch needs clips"):
        IterationBatches(0, 4, seed=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_workers_change_nothing(split: PreparedSplit, workers: int) -> None:
    def batches(count: int, start: int) -> list[dict]:
        dataset = ClipDataset(split, clip_length=3, structures="lv", transforms=AUGMENT, seed=4)
        order = IterationBatches(len(split), 3, 4, start)
        return list(islice(DataLoader(dataset, batch_sampler=order, num_workers=count, collate_fn=collate), 4))

    for alone, helped in zip(batches(0, 2), batches(workers, 2), strict=True):
        assert alone.keys() == helped.keys()
        for key in alone:
            torch.testing.assert_close(alone[key], helped[key], rtol=0, atol=0)
    assert alone["frames"].shape == (3, 3, 1, 32, 32)
