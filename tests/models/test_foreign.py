"""Encoders from elsewhere give the codes of their own library's pipeline on the original file, or say what is wrong."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import foreign
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from unsup.core.errors import UsageError, UserError
from unsup.data.pixels import read_picture
from unsup.models.foreign.encoder import ForeignEncoder, foreign_encoder
from unsup.models.foreign.names import check_name, parse_name
from unsup.models.parts.frozen import frozen, weights_hash


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return foreign.photograph(tmp_path / "a.jpg", quality=90)


def codes_of(encoder: ForeignEncoder, path: Path) -> Tensor:
    x = torch.from_numpy(read_picture(path, (3, 1, 1), None, encoder.cut).pixels)[None]
    assert x.shape[1:] == encoder.shape and 0 <= x.min() <= x.max() <= 1
    with frozen(encoder):
        return encoder.encode(x)


def same(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and bool((ours - theirs).abs().max() < 1e-4 * max(1, theirs.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
@pytest.mark.parametrize("size", [None, 64])
def test_torchvision_is_as_called_directly(name: str, size: int | None, photo: Path) -> None:
    from torchvision import models

    torch.manual_seed(0)
    ours = ForeignEncoder(f"torchvision:{name}", size=size, pretrained=False)
    torch.manual_seed(0)
    theirs = models.get_model(name)
    if name == "resnet18":
        theirs.fc = nn.Identity()
    else:
        theirs.classifier[3] = nn.Identity()
    weights = models.get_model_weights(name).DEFAULT  # type: ignore[attr-defined]
    preset = (
        weights.transforms() if size is None else weights.transforms(crop_size=64, resize_size=round(64 * 256 / 224))
    )
    assert same(codes_of(ours, photo), foreign.directly(theirs, preset(Image.open(photo).convert("RGB"))[None]))
    assert ours.pretrained_on and ours.pretrained_on["supervision"] == ["labels"]
    assert f"the middle {size or 224} x {size or 224}" in ours.preparation


@pytest.mark.parametrize(
    ("name", "size"), [("resnet18", None), ("vit_tiny_patch16_224", None), ("vit_tiny_patch16_224", 96)]
)
def test_timm_is_as_called_directly(name: str, size: int | None, photo: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    ours = ForeignEncoder(f"timm:{name}", size=size, pretrained=False)
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=0, **({"img_size": size} if size else {}))
    config = timm.data.resolve_data_config({"img_size": size} if size else {}, model=theirs)
    transform = timm.data.create_transform(**config)
    assert same(codes_of(ours, photo), foreign.directly(theirs, transform(Image.open(photo).convert("RGB"))[None]))


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    """A small ViT with random weights in a folder."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    transformers.ViTModel(transformers.ViTConfig(**sizes, image_size=48, patch_size=16)).save_pretrained(
        tmp_path / "vit"
    )
    processor = transformers.ViTImageProcessor(
        size={"height": 48, "width": 48}, image_mean=[0.4] * 3, image_std=[0.3] * 3
    )
    processor.save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def test_transformers_are_as_called_directly(vit: Path, photo: Path) -> None:
    import transformers

    ours = ForeignEncoder(f"hf:{vit}")
    model, processor = (
        transformers.AutoModel.from_pretrained(vit).eval(),
        transformers.AutoImageProcessor.from_pretrained(vit),
    )
    inputs = processor(Image.open(photo).convert("RGB"), return_tensors="pt")
    with torch.no_grad():
        theirs = model(**inputs).last_hidden_state[:, 0]
    assert same(codes_of(ours, photo), theirs)
    assert codes_of(ForeignEncoder(f"hf:{vit}", size=64), photo).shape == (1, 32)
    assert weights_hash(ForeignEncoder(f"hf:{vit}", pretrained=False)) != weights_hash(ours)


def test_pictures_are_upright_and_of_three_channels(tmp_path: Path, here: Path) -> None:
    encoder = ForeignEncoder("own_nets.py:build", size=32)
    turned = foreign.photograph(tmp_path / "turned.jpg", exif=_orientation(6), quality=95)
    upright = tmp_path / "upright.png"
    Image.open(turned).transpose(Image.Transpose.ROTATE_270).save(upright)
    assert torch.equal(codes_of(encoder, turned), codes_of(encoder, upright))
    Image.open(upright).convert("L").save(tmp_path / "grey.png")
    grey = codes_of(encoder, tmp_path / "grey.png").unflatten(1, (2, 4, 3))
    assert (grey == grey[..., :1]).all()


def _orientation(value: int) -> Any:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("name", ["own_nets.py:Network", "own_nets:Network"])
def test_own_code_with_options(name: str, here: Path, photo: Path) -> None:
    encoder = ForeignEncoder(
        name, size=32, mean=[0.5, 0.5, 0.5], std=[0.25, 0.25, 0.25], supervision="text", note="mine"
    )
    sys.path.append(str(here))
    from own_nets import Network  # type: ignore[import-not-found]

    picture = encoder.picture(Image.open(photo))
    assert same(codes_of(encoder, photo), foreign.directly(Network(), (picture[None] - 0.5) / 0.25))
    assert encoder.pretrained_on == {"images": ["unknown"], "supervision": ["text"], "text": "mine"}
    assert encoder.untrained_options == {"pretrained": False}
    assert ForeignEncoder("own_nets:build").untrained_options is None


@pytest.mark.slow
def test_files_of_onnx_and_torch_export_give_the_codes_of_the_module(here: Path, photo: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder = ForeignEncoder("own_nets.py:Network", size=32)
    n = torch.export.Dim("n")
    program = torch.export.export(encoder.network, (torch.zeros(2, 3, 32, 32),), dynamic_shapes=({0: n},))
    torch.export.save(program, here / "a.pt2")
    torch.onnx.export(program, verbose=False).save(here / "a.onnx")  # type: ignore[union-attr]
    fixed = torch.export.export(encoder.network, (torch.zeros(2, 3, 32, 32),))
    torch.onnx.export(fixed, verbose=False).save(here / "two.onnx")  # type: ignore[union-attr]
    for file in ("a.pt2", "a.onnx", "two.onnx"):
        copy = ForeignEncoder(file)
        assert copy.shape == (3, 32, 32) and same(codes_of(copy, photo), codes_of(encoder, photo)), file
        with pytest.raises(UserError, match="takes images of 32 x 32: leave --encoder.size out"):
            ForeignEncoder(file, size=64)
    (here / "two.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match="cannot be read as ONNX"):
        ForeignEncoder("two.onnx")
    (here / "a.pt2").write_bytes(b"no program")
    with pytest.raises(UserError, match="cannot be read as a program"):
        ForeignEncoder("a.pt2")


class Hostile:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("touched"),))


def test_no_pickle_in_a_program_is_loaded(here: Path) -> None:
    import zipfile

    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    torch.export.save(torch.export.export(module, (torch.zeros(2, 3, 2, 2),)), here / "a.pt2")
    with zipfile.ZipFile(here / "a.pt2") as good, zipfile.ZipFile(here / "b.pt2", "w", zipfile.ZIP_STORED) as bad:
        for name in good.namelist():
            content = good.read(name)
            if "sample_inputs" in name or name.endswith(".pt"):
                with (here / "hostile.pt").open("wb") as file:
                    torch.save({"a": Hostile()}, file)
                content = (here / "hostile.pt").read_bytes()
            bad.writestr(name, content)
    with pytest.raises(UserError, match="cannot be read as a program"):
        ForeignEncoder("b.pt2")
    assert not (here / "touched").exists()
    pickle.loads(pickle.dumps(Hostile()))
    assert (here / "touched").exists()  # it would have been


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet18", "if it is a network of torchvision, give torchvision:resnet18"),
        ("torchvison:resnet18", "no module torchvison here \\(did you mean 'torchvision'\\?\\)"),
        ("torchvision:resnet81", "did you mean 'resnet18'"),
        ("timm:resnet81", "did you mean"),
        ("timm:resnet18.nothing", "no weights 'nothing' of resnet18"),
        ("gone.py:build", "there is no file gone.py"),
        ("gone.onnx", "there is no file gone.onnx"),
        ("hf:gone", "gone is no folder with config.json"),
        ("own_nets.py:biuld", "has no biuld"),
        ("own_nets:number", "fails: TypeError"),
        ("own_nets.py:broken", "fails: ValueError: no weights here"),
        ("a b", "no encoder is named 'a b'"),
    ],
)
def test_unknown_names_are_one_line(name: str, message: str, here: Path) -> None:
    if name.startswith("timm"):
        pytest.importorskip("timm")
    with pytest.raises(UserError, match=message) as error:
        ForeignEncoder(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("torchvision:resnet18", "torchvision_resnet18"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "timm_vit_small_patch14_dinov2.lvd142m"),
        ("hf:some/where/my vit", "hf_my_vit"),
        ("nets/my_net.py:build", "my_net.build"),
        ("my_package.module:Net", "my_package.module.Net"),
        ("out/encoder.onnx", "encoder.onnx"),
        ("starter", "starter"),
    ],
)
def test_names_of_run_folders(text: str, folder: str) -> None:
    assert parse_name(text).folder == folder


def test_weights_that_cannot_be_downloaded_name_the_file_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.error import URLError

    import torchvision

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*args: Any, **kwargs: Any) -> None:
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    place = tmp_path / "hub" / "checkpoints"
    with pytest.raises(UserError, match=f"needs resnet18-.*pth, which cannot be .* put it into {place}"):
        ForeignEncoder("torchvision:resnet18")
    torch.manual_seed(5)
    network = torchvision.models.resnet18()
    place.mkdir(parents=True, exist_ok=True)
    name = Path(torchvision.models.ResNet18_Weights.DEFAULT.url).name
    torch.save(network.state_dict(), place / name)
    weights = ForeignEncoder("torchvision:resnet18").network.state_dict()
    assert torch.equal(weights["conv1.weight"], network.conv1.weight)
    torch.save({"a": Hostile()}, place / name)
    with pytest.raises(UserError, match="is no file of weights: delete it"):
        ForeignEncoder("torchvision:resnet18")


def test_weights_of_timm_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    from safetensors.torch import save_file

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", no_network)
    file = tmp_path / "hub" / "checkpoints" / "resnet18.a1_in1k.safetensors"
    with pytest.raises(UserError, match=f"cannot be downloaded here .* save it as {file}"):
        ForeignEncoder("timm:resnet18.a1_in1k")
    file.parent.mkdir(parents=True)
    network = timm.create_model("resnet18")
    save_file(network.state_dict(), file)
    encoder = ForeignEncoder("timm:resnet18.a1_in1k")
    assert torch.equal(encoder.network.state_dict()["conv1.weight"], network.conv1.weight)
    assert encoder.pretrained_on and encoder.pretrained_on["supervision"] == ["labels"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Maps", r"returns maps \(N, 3, 32, 32\): return their averages"),
        ("Rows", "returns 1 rows for 3 images"),
        ("Words", "returns dict: it must return a tensor"),
    ],
)
def test_outputs_that_are_no_vectors_are_refused(name: str, message: str, here: Path) -> None:
    encoder = ForeignEncoder(f"own_nets.py:{name}", size=32)
    with pytest.raises(UserError, match=message):
        encoder.encode(torch.rand(3, 3, 32, 32))


def test_the_state_is_a_hash_that_other_weights_do_not_have(here: Path) -> None:
    encoder = ForeignEncoder("own_nets.py:Network", size=32)
    state = encoder.state_dict()
    assert sum(value.numel() for value in state.values()) == 32
    ForeignEncoder("own_nets.py:Network", size=32).load_state_dict(state)
    other = ForeignEncoder("own_nets.py:Network", size=32, pretrained=False)
    with pytest.raises(UserError, match="the weights of own_nets.py:Network.* are not those that were judged"):
        other.load_state_dict(state)


def test_modules_and_functions_in_python() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    encoder = foreign_encoder(module, {"size": 16, "mean": [0.5] * 3})
    x = torch.rand(2, 3, 16, 16)
    assert torch.allclose(encoder.encode(x), foreign.directly(module, x - 0.5))
    assert foreign_encoder(lambda x: x.mean((2, 3)), {"size": 8}).encode(x[..., :8, :8]).shape == (2, 3)
    with pytest.raises(UsageError, match="no option 'sise'.*did you mean 'size'"):
        foreign_encoder(module, {"sise": 16})
    with pytest.raises(UsageError, match="^int is no encoder"):
        foreign_encoder(3, {})  # type: ignore[arg-type]


def test_a_mean_of_another_number_of_channels_is_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="has 3 channels"):
        ForeignEncoder("own_nets.py:build", mean=[0.5])


def test_the_starter_takes_any_size(photo: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    encoder = ForeignEncoder("starter", size=96)
    assert codes_of(encoder, photo).shape == (1, 1280)
    assert "the middle 96 x 96" in encoder.preparation
    assert encoder.pretrained_on == {
        "images": ["other"],
        "supervision": ["labels"],
        "text": "EfficientNet-Lite0, ImageNet-1k",
    }


def test_names_are_checked_without_torch() -> None:
    code = "from unsup.models.foreign.names import check_name; check_name('torchvision:x'); "
    code += "import sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
    assert check_name("torchvision:x").kind == "torchvision"


def test_pixels_of_a_batch_are_arrays(here: Path) -> None:
    picture = ForeignEncoder("own_nets.py:build", size=16).cut(Image.new("RGB", (40, 30), "red"))
    assert isinstance(picture, np.ndarray) and picture.shape == (3, 16, 16)
