"""The script that makes a folder of JPEG files of CIFAR-10."""

import runpy
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from unsup.data.folder import Folder

SCRIPT = Path(__file__).parents[1] / "docs" / "cifar_folder.py"


def test_a_folder_has_classes_numbers_and_the_quality_of_the_recorded_one(tmp_path: Path) -> None:
    write = runpy.run_path(str(SCRIPT))["write"]
    pictures = [(Image.new("RGB", (32, 32), (100 * (i % 2) + i, 0, 0)), i % 2) for i in range(24)]
    for split in ("train", "test"):
        write(iter(pictures), ["cat", "dog"], tmp_path / split)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jpg"))
    assert files == sorted(f"{s}/{c}/{i:04d}.jpg" for s in ("train", "test") for c in ("cat", "dog") for i in range(12))
    with Image.open(tmp_path / "train" / "dog" / "0000.jpg") as one:
        assert list(one.quantization[0][:4]) == [8, 6, 5, 8]  # quality 75: half of the standard's table
        assert get_sampling(one) == 2 and one.size == (32, 32)  # 4:2:0
        assert abs(np.asarray(one)[:, :, 0].mean() - 101) < 3  # the first dog
    data = Folder(str(tmp_path), root=str(tmp_path / "data"))
    data.setup()
    assert data.class_names == ("cat", "dog") and len(data.labels("test")) == 24
