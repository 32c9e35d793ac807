"""Which batches an epoch has: every image once, in an order that (seed, epoch) decides, shared among processes."""

from typing import Any

import pytest
import torch
from synthetic import Numbered, ids
from tiny import TinyDigits, trainer

from unsup.data.base import ImageData
from unsup.data.batches import BatchGroup, ResidentBatches


def loader(data: ImageData, seed: int = 0) -> ResidentBatches:
    data.seed = seed
    return data.train_dataloader()


def epoch(batches: ResidentBatches, number: int = 0) -> list[int]:
    """Images of an epoch in order, as rows of the store."""
    batches.set_epoch(number)
    return [i for x, _ in batches for i in ids(x)]


@pytest.mark.parametrize(("n", "batch_size"), [(1000, 64), (1000, 900), (1000, 1), (1000, 5000), (1001, 300)])
def test_every_image_once_in_batches_of_even_size(n: int, batch_size: int) -> None:
    data = Numbered(n, batch_size=batch_size)
    batches = loader(data)
    sizes = [len(x) for x, _ in batches]
    assert sorted(epoch(batches)) == data._get_rows("train").tolist()
    assert max(sizes) <= batch_size and max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(batches) == data.steps_per_epoch == -(-data.size("train") // batch_size)


def test_index_is_the_position_in_the_split() -> None:
    data = Numbered()
    for x, index in loader(data):
        assert ids(x) == data._get_rows("train")[index].tolist()
        (same,) = data.batches("train", positions=index.numpy())
        assert torch.equal(x, same)


def test_order_is_a_function_of_seed_and_epoch() -> None:
    orders = {(s, e): epoch(loader(Numbered(), s), e) for s in (0, 1) for e in (0, 1)}
    assert len({tuple(order) for order in orders.values()}) == 4
    batches = loader(Numbered(), 1)
    torch.manual_seed(5)
    assert epoch(batches, 1) == orders[1, 1] and epoch(batches, 0) == orders[1, 0]  # whatever came before
    assert epoch(Numbered().val_dataloader(), 3) == Numbered()._get_rows("val").tolist()  # validation keeps its order


@pytest.mark.parametrize("steps", [2, 4, 15, 100])
def test_calls_hold_the_same_batches(steps: int) -> None:
    single = list(loader(Numbered(batch_size=64)))
    batches = loader(Numbered(batch_size=64, steps_per_call=steps))
    calls = list(batches)
    assert len(calls) == len(batches) == -(-15 // steps)
    assert all(isinstance(call, BatchGroup) and len(call) <= steps for call in calls)
    assert sum(call.num_images for call in calls) == len(batches.rows)
    flat = [batch for call in calls for batch in call]
    assert len(flat) == len(single) == 15
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(flat, single, strict=True))


def test_two_processes_get_disjoint_shards_of_equal_length(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = epoch(loader(Numbered(1003, batch_size=64)), 2)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    shards = []
    for rank in (0, 1):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        batches = loader(Numbered(1003, batch_size=64))
        assert len(list(batches)) == len(batches) == 8
        shards.append(epoch(batches, 2))
    assert len(alone) == 903 and len(shards[0]) == len(shards[1]) == 451
    assert not set(shards[0]) & set(shards[1])
    assert [image for pair in zip(*shards, strict=True) for image in pair] == alone[:902]  # one sits this epoch out


def test_lightning_announces_the_epoch_and_counts_the_batches() -> None:
    import lightning.pytorch as L

    class Watch(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[list[int]] = [[], []]
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> None:
            assert self.trainer.num_training_batches == 5
            self.seen[self.current_epoch] += batch[1].tolist()

        def validation_step(self, batch: Any, batch_idx: int) -> None: ...

        def configure_optimizers(self) -> None: ...

    model, data = Watch(), TinyDigits(160, batch_size=32)
    trainer(epochs=2).fit(model, datamodule=data)
    assert sorted(model.seen[0]) == sorted(model.seen[1]) == list(range(144))
    assert model.seen[0] != model.seen[1]
    alone = TinyDigits(160, batch_size=32).train_dataloader()
    alone.set_epoch(1)
    assert model.seen[1] == [i for _, index in alone for i in index.tolist()]
