"""`unsup.testing` accepts classes that keep the contract, and names the promise that another one breaks."""

import doctest
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TinyDigits
from torch import Tensor, nn

import unsup.testing
from unsup.core.errors import UsageError, UserError
from unsup.data.base import Arrays, ImageData
from unsup.data.digits import Digits
from unsup.models.base import Batch, Model
from unsup.testing import check_data, check_model, with_shuffled_labels


class Good(Model):
    """A class of the user's own with everything that a model may offer."""

    num_clusters = 3
    centre: Tensor

    def __init__(self, shape: tuple[int, int, int], code_dim: int = 4, lr: float = 1e-2) -> None:
        super().__init__(shape, lr)
        self.noise_dim, pixels = code_dim, shape[0] * shape[1] * shape[2]
        self.encoder, self.decoder = nn.Linear(pixels, code_dim), nn.Linear(code_dim, pixels)
        self.register_buffer("centre", torch.zeros(pixels))

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.centre.copy_(torch.cat(list(images())).flatten(1).mean(0))

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        x = x.flatten(1)
        return {"loss": (self.decoder(self.encoder(x - self.centre)).sigmoid() - x).square().sum(1).mean()}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1) - self.centre)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).sigmoid().unflatten(1, self.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def generate(self, noise: Tensor) -> Tensor:
        return self.decode(noise)

    def sample(self, n: int) -> Tensor:
        return self.sample_by_generate(n)

    def elbo(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return -x.sum((1, 2, 3)), self.encode(x).square()

    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        return -x.sum((1, 2, 3))

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x.flip(3)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"code": self.encode(x)}

    def assign(self, x: Tensor) -> Tensor:
        return self.encode(x)[:, :3].argmax(1)


def test_a_class_that_keeps_the_contract() -> None:
    before = torch.get_rng_state()
    check_model(Good, code_dim=5)
    assert torch.equal(before, torch.get_rng_state())


def test_the_examples_run() -> None:
    tried = doctest.testmod(unsup.testing)
    assert tried.attempted == 4 and not tried.failed


# ---- what is broken, and how that is said ----------------------------------------------------------------------------


class Unused(Good):
    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-2) -> None:
        super().__init__(shape, 4, lr)
        self.idle = nn.Linear(2, 2)


class Ends(Good):
    """Training leaves a buffer that is not finite."""

    def on_fit_end(self) -> None:
        self.centre.fill_(torch.nan)


class Still(Good):
    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"loss": 1e-6 * super().losses(x)["loss"] + 5}


class OtherNames(Good):
    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return super().losses(x) | ({"extra": x.mean()} if self.training else {})


class Own(Good):
    """Has its own step and logs nothing."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self.losses(batch[0])["loss"]


class Grows(Good):
    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None:
        self.register_buffer("means", torch.cat(list(images())).mean((1, 2, 3)))


class Forgets(Model):
    """Neither gradients nor anything that fit stores."""

    def fit(self, images: Callable[[], Iterator[Tensor]]) -> None: ...

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)


class Images(Good):
    def encode(self, x: Tensor) -> Tensor:
        return x


class Pair(Good):
    def encode(self, x: Tensor) -> Any:
        return super().encode(x), x


class Double(Good):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x).double()


class OneView(Good):
    def views(self, x: Tensor) -> Any:
        return x


class Lone(Good):
    """Gives the ELBO alone."""

    def elbo(self, x: Tensor) -> Any:
        return -x.sum((1, 2, 3))


class Listed(Good):
    def layers(self, x: Tensor) -> Any:
        return [self.encode(x)]


class Unassigned(Good):
    def assign(self, x: Tensor) -> Any: ...


class Infinite(Good):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) / 0


class Constant(Good):
    def encode(self, x: Tensor) -> Tensor:
        return torch.ones(len(x), 4)


class Random(Good):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) + torch.randn(len(x), 4)


class Batched(Good):
    def encode(self, x: Tensor) -> Tensor:
        z = super().encode(x)
        return z - z.mean(0)


class Switches(Good):
    def encode(self, x: Tensor) -> Tensor:
        self.decoder.train()
        return super().encode(x)


class Counts(Good):
    seen: Tensor

    def __init__(self, shape: tuple[int, int, int], lr: float = 1e-2) -> None:
        super().__init__(shape, 4, lr)
        self.register_buffer("seen", torch.zeros(()))

    def encode(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().encode(x)


class Flat(Good):
    def reconstruct(self, x: Tensor) -> Tensor:
        return super().reconstruct(x).flatten(1)


class Bright(Good):
    def generate(self, noise: Tensor) -> Tensor:
        return 2 * self.decode(noise)


class OneNumber(Good):
    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        return x.sum()


class Triple(Good):
    def views(self, x: Tensor) -> Any:
        return x, x, x


class Crowd(Good):
    def layers(self, x: Tensor) -> dict[str, Tensor]:
        return {"code": self.encode(x) - self.encode(x).mean(0)}


class Beyond(Good):
    def assign(self, x: Tensor) -> Tensor:
        return super().assign(x) + 1


class One(Good):
    def assign(self, x: Tensor) -> Tensor:
        return 0 * super().assign(x)


class EvalMode(Good):
    def sample(self, n: int) -> Tensor:
        self.eval()
        return self.generate(torch.randn(n, 4))


class Unplain(Good):
    def __init__(self, shape: tuple[int, int, int], kind: Any = nn.ReLU, lr: float = 1e-2) -> None:
        super().__init__(shape, 4, lr)


class Attribute(Good):
    """What it learns is no parameter and no buffer."""

    shift: Tensor | float = 0.0

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) + self.shift

    def on_fit_end(self) -> None:
        self.shift = 1.0


class Peeks(Good):
    """Takes the labels from the data set that trains it."""

    def on_fit_start(self) -> None:
        super().on_fit_start()
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        labels = torch.from_numpy(data.labels("train")).float()
        self.centre += labels[: len(labels) // 2].mean() / 1000


BROKEN = {
    Unused: "Unused: idle.weight gets no gradient",
    Ends: "Ends: centre is not finite after training",
    Still: "Still: the training loss went from 5 to 5 in 50 steps: it must fall by a tenth",
    OtherNames: r"OtherNames: losses have different names: \['extra', 'loss'\] in training and \['loss'\] in",
    Own: "Own: training logs no loss: a training_step of its own passes its values to record",
    Grows: "Grows: fit changes the shape of a weight",
    Forgets: "Forgets: fit changes nothing",
    Images: r"Images.encode returned torch.float32 \(20, 1, 8, 8\): it must be a tensor \(20, D\)",
    Pair: r"Pair.encode returned a tuple: it must be a tensor \(20, D\)",
    Double: "Double: encode returns torch.float64: it must be torch.float32",
    OneView: "OneView.views returned a Tensor: it must return two views",
    Lone: r"Lone.elbo returned torch.float32 \(6,\): it must return log p\(x\|z\) and the KL",
    Listed: "Listed: layers returns a list: it must be a dictionary",
    Unassigned: r"Unassigned.assign returned None: it must be torch.int64 \(40,\)",
    Infinite: "Infinite: encode returns codes that are not finite",
    Constant: "Constant: encode returns the same code for all images",
    Random: "Random: encode returns another code for the same image the second time",
    Batched: "Batched: encode looks at other images of the batch",
    Switches: "Switches: encode changes the mode of a module",
    Counts: "Counts: encode changes a parameter or a buffer",
    Flat: r"Flat.reconstruct returned torch.float32 \(6, 64\): it must be a tensor \(6, 1, 8, 8\)",
    Bright: r"Bright: sample returns values outside \[0, 1\]",
    OneNumber: r"OneNumber.log_likelihood returned torch.float32 \(\): it must be a tensor \(6,\)",
    Triple: "Triple.views returned a tuple: it must return two views of each image",
    Crowd: r"Crowd: layers \(code\) looks at other images of the batch",
    Beyond: "Beyond.assign returned clusters 1 to 3: num_clusters is 3",
    One: "One: assign puts all images into one cluster",
    EvalMode: "EvalMode: sample leaves the model in eval mode",
    Unplain: "Unplain: a checkpoint does not load with weights_only=True: options must be plain values",
    Attribute: "Attribute: the model rebuilt from a checkpoint returns other codes",
    Peeks: "Peeks: different labels give different weights",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_promise_is_named(broken: type[Model]) -> None:
    with pytest.raises(AssertionError, match=f"^{BROKEN[broken]}"):
        check_model(broken)


class Empty(Model):
    """Has a parameter and no method."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__(shape)
        self.weight = nn.Parameter(torch.zeros(3))


class Nameless(Good):
    def losses(self, x: Tensor) -> dict[str, Tensor]:
        return {"error": super().losses(x)["loss"]}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Empty, r"Empty defines neither losses\(x\)"),
        (Nameless, "Nameless.losses returned the keys error: "),
    ],
)
def test_a_model_that_cannot_be_trained_is_named(broken: type[Model], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        check_model(broken)


def test_a_class_that_starts_from_another_model() -> None:
    class Second(Good):
        needs_init = True

        def initialise(self, state: dict[str, Tensor]) -> None:
            assert torch.equal(state["encoder.weight"], source.encoder.weight)
            super().initialise(state)

    source = Good((1, 8, 8))
    weights = source.encoder.weight.clone()
    with pytest.raises(UsageError, match="give init_from="):
        check_model(Second)
    check_model(Second, init_from=source)
    assert torch.equal(source.encoder.weight, weights)


def test_only_the_labels_are_shuffled() -> None:
    data = TinyDigits()
    data.setup()
    val = data._get_rows("val")
    labels, other = data.labels("train"), with_shuffled_labels(data)
    assert labels is not None and not np.array_equal(labels, other.labels("train"))
    assert np.array_equal(labels, data.labels("train")) and np.array_equal(val, other._get_rows("val"))
    assert all(torch.equal(a, b) for a, b in zip(data.batches("train"), other.batches("train"), strict=True))


# ---- data sets -------------------------------------------------------------------------------------------------------


class Stripes(ImageData):
    """A data set of the user's own."""

    shape = (1, 4, 4)
    class_names = ("dark", "light")

    def __init__(self, n: int = 60) -> None:
        super().__init__()
        self.n = n

    def load(self, train: bool) -> Arrays:
        n = self.n if train else 20
        images = np.random.default_rng(int(train)).integers(0, 256, (n, *self.shape), np.uint8)
        return images, np.arange(n) % 2

    def changed(self, train: bool, images: Any = None, labels: Any = None) -> Any:
        ours = Stripes.load(self, train)
        return ours[0] if images is None else images, ours[1] if labels is None else labels


def test_data_sets_that_keep_the_contract() -> None:
    class Unlabelled(Stripes):
        class_names = ()

        def load(self, train: bool) -> Arrays:
            return super().load(train)[0], None

    for cls, options in ((Stripes, {"n": 40}), (Unlabelled, {}), (Digits, {})):
        check_data(cls, **options)


class Late(Stripes):
    shape = (1, 1, 1)

    def prepare_data(self) -> None:
        self.shape = (1, 4, 4)


class Letters(Stripes):
    augmentation = "letters"


class Shapeless(ImageData):
    class_names = ("dark", "light")


class LoneImages(Stripes):
    def load(self, train: bool) -> Any:
        return super().load(train)[0]


class ListOfLabels(Stripes):
    def load(self, train: bool) -> Arrays:
        return self.changed(train, labels=super().load(train)[1].tolist())


class Grey(Stripes):
    def load(self, train: bool) -> Arrays:
        return self.changed(train, super().load(train)[0][:, 0])


class Transposed(Stripes):
    def load(self, train: bool) -> Arrays:
        return self.changed(train, super().load(train)[0].transpose(0, 1, 3, 2))


class SmallIntegers(Stripes):
    def load(self, train: bool) -> Arrays:
        return self.changed(train, labels=super().load(train)[1].astype(np.int32))


class Leaks(Stripes):
    def load(self, train: bool) -> Arrays:
        images, labels = super().load(True)
        return (images, labels) if train else (images[:5], labels[:5])


class Shuffled(Stripes):
    def load(self, train: bool) -> Arrays:
        return self.changed(train, np.random.randint(0, 256, (40, *self.shape)).astype(np.uint8), np.arange(40) % 2)


class Black(Stripes):
    def load(self, train: bool) -> Arrays:
        images, labels = super().load(train)
        return (np.full_like(images, 3) if train else images), labels


class Uncounted(Stripes):
    def batches(self, *args: Any, **options: Any) -> Iterator[Tensor]:
        batches = super().batches(*args, **options)
        self.test_reads = 0
        return batches


BROKEN_DATA = {
    Late: r"Late: shape is \(1, 1, 1\) before images are loaded and \(1, 4, 4\) afterwards",
    Letters: "Letters: augmentation is 'letters': choose one of digits, natural, texture",
    Shapeless: "Shapeless: shape is not set",
    LoneImages: r"LoneImages: load returns no pair \(images, labels\)",
    ListOfLabels: r"ListOfLabels: load returns list: it must be int64 labels \(60,\)",
    Grey: r"Grey: load returns uint8 images \(60, 4, 4\): it must be uint8 \(N, \*\(1, 4, 4\)\)",
    Transposed: "Transposed: load returns images that are not C-contiguous",
    SmallIntegers: r"SmallIntegers: load returns int32 labels \(60,\): it must be int64 labels \(60,\)",
    Leaks: "Leaks: 5 test images are training images as well",
    Shuffled: "Shuffled: the images, the labels or their order change when they are loaded again",
    Black: "Black: all pixels of train have one value",
    Uncounted: "Uncounted: one pass over the test images was counted as 0",
}


@pytest.mark.parametrize("broken", BROKEN_DATA, ids=lambda cls: cls.__name__)
def test_a_broken_promise_of_a_data_set_is_named(broken: type[ImageData]) -> None:
    with pytest.raises(AssertionError, match=f"^{BROKEN_DATA[broken]}"):
        check_data(broken)


def test_a_data_set_that_loads_nothing_is_named() -> None:
    class Loadless(ImageData):
        shape = (1, 8, 8)

    for check in (lambda: check_data(Loadless), lambda: check_model(Good, Loadless())):
        with pytest.raises(UserError, match=r"^Loadless does not define load\(train\)$"):
            check()
