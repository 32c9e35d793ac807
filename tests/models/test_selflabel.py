"""Self-labelling on digits: the head starts from the cut, the teacher is the network before the epoch."""

import pytest
import torch
from tiny import SHAPE, TinyDigits, train

from unsup.core.errors import UsageError, UserError
from unsup.metrics.clustering import matched_accuracy as accuracy
from unsup.models.parts.spectral import neighbour_graph, spectral_clusters
from unsup.models.selflabel import SelfLabel, principal
from unsup.models.simclr import SimCLR


@pytest.fixture(scope="module")
def data() -> TinyDigits:
    found = TinyDigits(n=1000, batch_size=128)
    found.setup()
    return found


@pytest.fixture(scope="module")
def contrastive(data: TinyDigits) -> SimCLR:
    torch.manual_seed(0)
    model = SimCLR(SHAPE, "digits", width=8, projection=32, lr=4e-3)
    train(model, data, epochs=25)
    return model.eval()


def started(contrastive: SimCLR, **options: float) -> SelfLabel:
    torch.manual_seed(1)
    model = SelfLabel(SHAPE, "digits", width=8, projection=32, **options)  # type: ignore[arg-type]
    model.initialise(contrastive.state_dict())
    return model


def images(data: TinyDigits) -> torch.Tensor:
    return torch.cat(list(data.batches("train")))


@torch.no_grad()
def matched(model: SelfLabel, data: TinyDigits) -> float:
    labels = data.labels("train")
    assert labels is not None
    return accuracy(labels, model.eval().assign(images(data)).numpy())


def test_it_starts_from_the_other_runs_encoder_and_projector(contrastive: SimCLR, data: TinyDigits) -> None:
    model, x = started(contrastive).eval(), images(data)
    with torch.no_grad():
        assert torch.equal(model.encode(x), contrastive.encode(x))
        assert torch.equal(model.projector(model.encode(x)), contrastive.projector(contrastive.encode(x)))


def test_another_size_is_refused(contrastive: SimCLR) -> None:
    with pytest.raises(UserError, match="backbone"):
        SelfLabel(SHAPE, "digits", width=4, projection=32).initialise(contrastive.state_dict())


def test_another_method_is_refused() -> None:
    with pytest.raises(UserError, match="such as a run of simclr"):
        SelfLabel(SHAPE, "digits").initialise({"mean": torch.zeros(9)})


@torch.no_grad()
def test_the_head_tells_the_cut_apart(contrastive: SimCLR, data: TinyDigits) -> None:
    """And is as sure of it as smoothed labels want: not ten times surer or less sure."""
    model, x = started(contrastive), images(data)
    model.fit(lambda: iter([x]))
    z = contrastive.encode(x)
    graph = sum(neighbour_graph(space, 10) for space in (z, contrastive.projector(z), principal(x.flatten(1))))
    clusters = spectral_clusters(graph, 10)
    logits = model.eval().head(z)
    assert (logits.argmax(1).numpy() == clusters).mean() > 0.97
    cost = [
        torch.nn.functional.cross_entropy(s * logits, torch.from_numpy(clusters), label_smoothing=0.1)
        for s in (0.3, 1, 3)
    ]
    assert cost[1] < cost[0] and cost[1] < cost[2]


def test_two_clusters_have_a_head_of_two(contrastive: SimCLR, data: TinyDigits) -> None:
    model, x = started(contrastive, num_clusters=2), images(data)
    model.fit(lambda: iter([x]))
    assert set(model.eval().assign(x).tolist()) == {0, 1}


def test_more_clusters_than_images_is_one_line(contrastive: SimCLR, data: TinyDigits) -> None:
    x = images(data)[:12]
    with pytest.raises(UserError, match="^12 images are too few for 12: lower model.num_clusters$"):
        started(contrastive, num_clusters=12).fit(lambda: iter([x]))


def test_clusters_come_near_the_classes(contrastive: SimCLR, data: TinyDigits) -> None:
    fitted = started(contrastive)
    fitted.fit(lambda: iter([images(data)]))
    before = matched(fitted, data)
    model = started(contrastive)
    train(model, data, epochs=6)
    after = matched(model, data)
    assert after > 0.8 and after > before - 0.02


def test_the_teacher_is_the_moving_average_of_the_network(contrastive: SimCLR, data: TinyDigits) -> None:
    model, x = started(contrastive, ema=0.75), images(data)[:64]
    model.fit(lambda: iter([x]))
    model.losses(x)
    assert torch.equal(model.teacher.module[1].weight, model.head.weight)
    before = model.head.weight.detach().clone()
    with torch.no_grad():
        model.head.weight.add_(1)
    model.losses(x)
    assert torch.allclose(model.teacher.module[1].weight, before + 0.25)
    model.eval().losses(x)  # validation teaches nothing
    assert torch.allclose(model.teacher.module[1].weight, before + 0.25)


def test_the_teacher_labels_every_image_by_itself(contrastive: SimCLR, data: TinyDigits) -> None:
    """In training too its batch norm uses its averages, which only follow the network's."""
    model, x = started(contrastive), images(data)[:64]
    model.fit(lambda: iter([x]))
    before = {name: value.clone() for name, value in model.backbone.named_buffers()}
    seen: list[torch.Tensor] = []
    model.teacher.register_forward_hook(lambda _, inputs, output: seen.append(output))
    model.train().losses(x)
    assert model.backbone.training and not any(module.training for module in model.teacher.modules())
    teacher = model.teacher.module[0].named_buffers()
    assert all(torch.equal(value, before[name]) for name, value in teacher)  # as when it was copied
    halves = torch.cat([model.teacher(x[:10]), model.teacher(x[10:])])
    assert torch.allclose(seen[0], halves, atol=1e-4)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("num_clusters", 1),
        ("neighbours", 0),
        ("projection", 0),
        ("smoothing", 1.0),
        ("confidence", 1.0),
        ("ema", 1.0),
        ("pixels", -0.1),
    ],
)
def test_bad_options_are_named(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"model.{option}"):
        SelfLabel(SHAPE, "digits", **{option: value})  # type: ignore[arg-type]
