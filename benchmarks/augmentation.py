"""Compare the batched views of `unsup.models.parts.augment` with torchvision's.

SimCLR is trained twice from one initialisation on a part of the data, once with each kind of views, and a linear probe
on its codes is scored on validation images. Both accuracies are printed, and the views that each makes per second.

    python benchmarks/augmentation.py --images <folder of CIFAR-10 as images> [--count 10000 --epochs 5 --seed 0]
"""

import argparse
import time

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

# isort: split
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchvision.transforms import v2

from unsup.data.base import ImageData
from unsup.data.folder import Folder
from unsup.models.parts.optim import adamw, annealed
from unsup.models.simclr import SimCLR

ONE_BY_ONE = v2.Compose(
    [
        v2.RandomResizedCrop(32, scale=(0.2, 1.0), antialias=False),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
        v2.RandomGrayscale(0.2),
    ]
)


class OneByOne(SimCLR):
    """The same method on torchvision's views."""

    def views(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.stack([ONE_BY_ONE(image) for image in x]), torch.stack([ONE_BY_ONE(image) for image in x])


def train(cls: type[SimCLR], x: Tensor, epochs: int, batch: int, seed: int) -> tuple[SimCLR, float]:
    """Return the trained model and the views drawn per second, without training."""
    torch.manual_seed(seed)
    model = cls((3, 32, 32), "natural", backbone="resnet18", width=16)
    steps = len(x) // batch
    plan = annealed(model, adamw(model.lr, model.beta2), model.weight_decay, lambda: steps * epochs)
    optimizer, schedule = plan["optimizer"], plan["lr_scheduler"]["scheduler"]
    for _ in range(epochs):
        for index in torch.randperm(len(x))[: steps * batch].split(batch):
            with torch.autocast("cpu", torch.bfloat16):
                loss = model.losses(x[index])["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    start = time.perf_counter()
    model.views(x[:1000])
    return model.eval(), 2000 / (time.perf_counter() - start)


@torch.no_grad()
def codes(model: SimCLR, x: Tensor) -> Tensor:
    return torch.cat([model.encode(part) for part in x.split(500)])


def probe(model: SimCLR, data: ImageData, x: Tensor) -> float:
    """Return the validation accuracy of a logistic regression on the training codes."""
    labels, held_out = data.labels("train"), data.labels("val")
    assert labels is not None and held_out is not None, "the images need class folders"
    fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    fitted.fit(codes(model, x), labels[spread(len(labels), len(x))])
    return float(fitted.score(codes(model, torch.cat(list(data.batches("val")))), held_out))


def spread(n: int, count: int) -> list[int]:
    """Return `count` of n positions, the same in each call."""
    found: list[int] = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:count].tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True)
    for name, default in (("count", 10_000), ("epochs", 5), ("batch", 256), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    data = Folder(images=args.images, size=32, channels=3)
    data.setup()
    x = torch.cat(list(data.batches("train")))
    x = x[spread(len(x), args.count)]
    for name, cls in (("batched", SimCLR), ("one by one", OneByOne)):
        start = time.perf_counter()
        model, speed = train(cls, x, args.epochs, args.batch, args.seed)
        minutes = (time.perf_counter() - start) / 60
        print(
            f"{name}: validation probe {probe(model, data, x):.4f}, {speed:,.0f} views/s, trained {minutes:.1f} min",
            flush=True,
        )


if __name__ == "__main__":
    main()
