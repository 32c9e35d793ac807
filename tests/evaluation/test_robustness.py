"""Corruptions: same images whatever the batch, milder ones nearer to the clean image, each what its name says."""

import pytest
import torch

from unsup.data.digits import Digits
from unsup.evaluation import robustness
from unsup.evaluation.robustness import CORRUPTIONS

RANDOM = {"gaussian noise", "occlusion", "shift", "missing pixels"}


@pytest.fixture(scope="module")
def digits():
    data = Digits()
    data.setup()
    return torch.cat(list(data.batches("test")))[:60]  # (60, 1, 8, 8)


def smooth(channels, height, width, n=40):
    """Coloured images with structure at every scale."""
    noise = torch.rand(n, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, (height, width), mode="bilinear")


def each(x, at=None):
    """(name, severity, corrupted x)."""
    at = torch.arange(len(x)) if at is None else at
    return [(name, s, corrupt(x, s, at)) for name, corrupt in CORRUPTIONS.items() for s in range(3)]


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 48), (2, 5, 3)])
def test_the_result_is_like_the_image(shape):
    x = smooth(*shape)
    before = x.clone()
    for name, severity, y in each(x):
        assert y.shape == x.shape and y.dtype == torch.float32 and y.device == x.device, name
        assert y.is_contiguous() and y.min() >= 0 and y.max() <= 1, (name, severity)
        assert not torch.equal(y, x), (name, severity)
    assert torch.equal(x, before)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_an_image_is_corrupted_by_its_position_alone_whatever_the_batch(shape):
    x = smooth(*shape)
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    whole = each(x)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(2)
    for at in (torch.tensor([7]), torch.tensor([3, 39, 0]), torch.arange(10, 30)):
        for (name, severity, y), (*_, part) in zip(whole, each(x[at], at), strict=True):
            assert torch.equal(y[at], part), (name, severity)


def test_images_are_corrupted_each_in_its_own_way():
    x = smooth(1, 28, 28)[:1].expand(40, -1, -1, -1)
    for name, severity, y in each(x):
        distinct = len(y.flatten(1).unique(dim=0))
        assert distinct == 1 if name not in RANDOM else distinct >= (8 if name == "shift" else 30), (name, severity)


@pytest.mark.parametrize("kind", ["digits", "grey", "colour"])
def test_severity_moves_away_from_the_clean_image(digits, kind):
    x = {"digits": digits, "grey": smooth(1, 28, 28), "colour": smooth(3, 32, 32)}[kind]
    for name, corrupt in CORRUPTIONS.items():
        away = [(corrupt(x, s, torch.arange(len(x))) - x).flatten(1).norm(dim=1) for s in range(3)]
        if name in ("shift", "blur") and kind == "digits":  # of 8 pixels hardly one: as little as shows
            assert away[0].mean() == away[1].mean() < away[2].mean()
            continue
        assert away[0].mean() < away[1].mean() < away[2].mean(), name
        if name in ("gaussian noise", "contrast", "occlusion", "missing pixels"):  # for each image, not only on average
            assert (away[0] <= away[1]).all() and (away[1] <= away[2]).all(), name


def test_noise_has_its_standard_deviation_and_independent_values():
    x = torch.full((200, 3, 16, 16), 0.5)
    for severity, std in enumerate(robustness.NOISE[:2]):
        noise = CORRUPTIONS["gaussian noise"](x, severity, torch.arange(200)) - x
        assert noise.std().item() == pytest.approx(std, rel=0.02) and abs(noise.mean().item()) < 0.002
        assert abs(torch.corrcoef(noise[:, :, 3, 4].T) - torch.eye(3)).max() < 0.3


def test_blur_spreads_a_point_by_its_standard_deviation_and_keeps_the_light():
    x = torch.zeros(1, 1, 65, 65)
    x[..., 32, 32] = 1
    place = torch.arange(65.0) - 32
    for severity, share in enumerate(robustness.BLUR):
        y = CORRUPTIONS["blur"](x, severity, torch.arange(1))
        assert y.sum().item() == pytest.approx(1, abs=1e-4)
        assert (y.sum(dim=(0, 1, 2)) * place**2).sum().sqrt().item() == pytest.approx(share * 65, rel=0.05)


def test_occlusion_is_one_grey_square_inside_the_image_that_grows_in_place():
    x = torch.zeros(3000, 3, 20, 40)
    before = torch.zeros(3000, 20, 40, dtype=torch.bool)
    for severity, share in enumerate(robustness.OCCLUSION):
        y = CORRUPTIONS["occlusion"](x, severity, torch.arange(3000))
        covered = y[:, 0] == 0.5
        assert torch.equal(y, covered[:, None].expand_as(y) * 0.5)
        side = round(share * 20)
        assert (covered.any(2).sum(1) == side).all() and (covered.any(1).sum(1) == side).all()
        assert (covered.sum(dim=(1, 2)) == side**2).all()
        assert (covered | ~before).all()
        before = covered
    assert before.any(0).all()  # somewhere in 3000 images, every pixel is covered


def test_contrast_keeps_the_mean_of_every_channel_and_shrinks_deviations():
    x = smooth(3, 16, 16)
    mean = x.mean(dim=(2, 3), keepdim=True)
    for severity, share in enumerate(robustness.CONTRAST):
        y = CORRUPTIONS["contrast"](x, severity, torch.arange(len(x)))
        assert (y - mean).numpy() == pytest.approx((share * (x - mean)).numpy(), abs=1e-6)


def test_shift_moves_by_whole_pixels_in_eight_directions_and_repeats_the_border():
    x = smooth(3, 20, 30)
    found = set()
    distance = round(robustness.SHIFT[2] * 20)
    padded = torch.nn.functional.pad(x, [distance] * 4, mode="replicate")
    y = CORRUPTIONS["shift"](x, 2, torch.arange(len(x)))
    for i in range(len(x)):
        for down in (-distance, 0, distance):
            for right in (-distance, 0, distance):
                top, left = distance - down, distance - right
                if torch.equal(y[i], padded[i, :, top : top + 20, left : left + 30]):
                    found.add((down, right))
                    break
            else:
                continue
            break
        else:
            pytest.fail(f"image {i} is not a shifted one")
    assert len(found) == 8 and (0, 0) not in found


def test_missing_pixels_are_zero_in_all_channels_and_the_others_as_they_were():
    x = smooth(3, 24, 24).clamp(0.01)
    before = torch.zeros(len(x), 1, 24, 24, dtype=torch.bool)
    for severity, share in enumerate(robustness.MISSING):
        y = CORRUPTIONS["missing pixels"](x, severity, torch.arange(len(x)))
        missing = (y == 0).all(1, keepdim=True)
        assert torch.equal(y, x * ~missing)
        assert missing.float().mean().item() == pytest.approx(share, abs=0.01)
        assert (missing | ~before).all()
        before = missing
