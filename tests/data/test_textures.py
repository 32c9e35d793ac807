"""The drawn textures: classes that a spectrum tells apart, the same ones every time."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unsup.data.folder import Folder
from unsup.data.npz import Npz

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "textures.py"
spec = importlib.util.spec_from_file_location("textures", SCRIPT)
assert spec and spec.loader
textures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(textures)


def test_textures_have_the_stated_frequency_and_orientation() -> None:
    names = []
    for name, images in textures.textures():
        names.append(name)
        cycles, degrees = int(name[6:8]), int(name[-2:])
        some = np.stack([next(images) for _ in range(30)])
        assert some.shape == (30, 64, 64) and some.dtype == np.uint8
        assert 80 < some.mean() < 180 and 15 < some.std((1, 2)).mean() < 50
        power = (np.abs(np.fft.fft2(some - some.mean((1, 2), keepdims=True))) ** 2).sum(0)
        row, column = np.unravel_index(np.argmax(power[:32, :32]), (32, 32))
        assert abs(np.hypot(row, column) - cycles) < 0.2 * cycles
        assert abs(np.degrees(np.arctan2(row, column)) - degrees) < 16
    assert len(set(names)) == 8 and names[0] == "cycles04_degrees00"


@pytest.mark.slow
def test_textures_are_written_as_a_folder_and_as_arrays(tmp_path: Path) -> None:
    textures.main(tmp_path / "textures")
    folder = Folder(str(tmp_path / "textures"), size=64, channels=1, root=str(tmp_path / "root"))
    arrays = Npz(str(tmp_path / "textures.npz"))
    folder.setup()
    arrays.setup()
    assert folder.fingerprint() == arrays.fingerprint()
    assert len(folder.class_names) == 8 and folder.size("learn") + folder.size("val") + folder.size("test") == 2000
    first = np.asarray(Image.open(tmp_path / "textures" / "cycles04_degrees00" / "000.png"))
    textures.main(tmp_path / "again")
    assert (np.asarray(Image.open(tmp_path / "again" / "cycles04_degrees00" / "000.png")) == first).all()
    images = np.concatenate([arrays.load(True)[0], arrays.load(False)[0]])
    assert len(np.unique(images.reshape(2000, -1), axis=0)) == 2000
