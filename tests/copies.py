"""Pictures to find near-duplicates among, and copies of them."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image


def scenes(n: int, seed: int = 0, side: int = 32) -> np.ndarray:
    """Coloured clouds (n, 3, S, S) with the spectrum of photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    noise = np.fft.fft2(rng.standard_normal((n, 3, side, side))) / np.maximum(frequency, 1 / side) ** 1.5
    clouds = np.fft.ifft2(noise).real
    clouds += 2 * clouds.mean(axis=1, keepdims=True)
    return (128 + 45 * (clouds / clouds.std(axis=(1, 2, 3), keepdims=True))).clip(0, 255).astype(np.uint8)


def textures(n: int, seed: int = 0, side: int = 32) -> np.ndarray:
    """Grey stripes (n, 1, S, S) of one frequency and one direction."""
    rng = np.random.default_rng(seed)
    down, right = np.meshgrid(np.fft.fftfreq(side) * side, np.fft.fftfreq(side) * side, indexing="ij")
    band = np.exp(-((np.hypot(down, right) - 5) ** 2) / 4) * (np.abs(right) > np.abs(down))
    waves = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, 1, side, side))) * band).real
    return (128 + 45 * waves / waves.std(axis=(1, 2, 3), keepdims=True)).clip(0, 255).astype(np.uint8)


def compressed(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)


def cropped(image: np.ndarray, share: float = 0.9, corner: float = 0.7) -> np.ndarray:
    """A part of the image at its old size."""
    side = image.shape[1]
    left, top = corner * (1 - share) * side, (1 - corner) * (1 - share) * side
    box = left, top, left + share * side, top + share * side
    picture = Image.fromarray(image.transpose(1, 2, 0)).resize((side, side), Image.Resampling.BICUBIC, box)
    return np.asarray(picture).transpose(2, 0, 1)


def brighter(image: np.ndarray) -> np.ndarray:
    return (image * 0.7 + 40).astype(np.uint8)


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "same": np.copy,
    "compressed": compressed,
    "cropped": cropped,
    "mirrored": lambda image: image[:, :, ::-1],
    "brighter": brighter,
}


def copies(images: np.ndarray, kind: str) -> np.ndarray:
    return np.array([COPIES[kind](image) for image in images], np.uint8).reshape(images.shape)
