"""Clusters get names from a list of words, by an image-text encoder: here a tiny one, trained on digits and words."""

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import used
from torch import Tensor, nn

from unsup.cli.main import main
from unsup.core.errors import UserError
from unsup.inference.image_text import TEMPLATE, load_image_text
from unsup.inference.zero_shot import name_clusters
from unsup.runs.build import load_data
from unsup.runs.config import compose, resolve

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Tiny(nn.Module):
    """Pixels and letters in one space of 16 dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.picture, self.letters = nn.Linear(64, 16), nn.Linear(26 * 8, 16)

    def images(self, x: Tensor) -> Tensor:
        return self.picture(x.flatten(1))

    def words(self, words: Sequence[str]) -> Tensor:
        spelt = torch.zeros(len(words), 8, 26)
        for row, word in zip(spelt, words, strict=True):
            row[range(len(word)), [ord(letter) - ord("a") for letter in word]] = 1
        return self.letters(spelt.flatten(1))


def taught() -> Tiny:
    """Trained as CLIP is: of a batch's words, each image finds its own."""
    torch.manual_seed(0)
    data, net = load_data(resolve(compose("ae", "digits"))), Tiny()
    x, labels = torch.cat(list(data.batches("train"))), torch.from_numpy(data.labels("train"))  # type: ignore[arg-type]
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(100):
        cosines = F.normalize(net.images(x), dim=1) @ F.normalize(net.words(WORDS), dim=1).T
        loss = F.cross_entropy(cosines / 0.1, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


def test_clusters_are_called_as_most_of_their_images_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = used.finished(tmp_path, "dae")
    words = [*WORDS, "ten", "cat", "house"]
    assert main(["zero_shot", str(run), "--words", *words, "--text_encoder", f"{__name__}:taught"]) == 0
    with (run / "zero_shot.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["cluster"] for row in rows] == [str(i) for i in range(10)]
    assert sum(int(row["images"]) for row in rows) == 1167  # all training images
    assert all(row["name"] in WORDS and row["name"] != row["second"] for row in rows)
    assert len({row["name"] for row in rows}) >= 7
    said = capsys.readouterr().out
    assert "clusters, named" in said and "names fit" not in said  # the words are not the class names


def test_with_the_class_names_as_words_the_names_are_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = taught()
    net.words = lambda words, named=net.words: named([WORDS[int(word)] for word in words])  # type: ignore[method-assign, misc]
    monkeypatch.setattr(f"{__name__}.taught", lambda: net)
    run = used.finished(tmp_path, "dae")
    assert main(["zero_shot", str(run), "--words", *"0123456789", "--text_encoder", f"{__name__}:taught"]) == 0
    said = capsys.readouterr().out.partition("names fit the class of ")[2]
    accuracy, alone = float(said[:5]), float(said.partition("alone ")[2][:5])
    assert 0.6 < accuracy < alone and alone > 0.85


class Planted:
    """Image i and word i point the same way."""

    def images(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def words(self, words: Sequence[str]) -> Tensor:
        return torch.eye(4)[: len(words)]


def test_known_names_and_an_empty_cluster() -> None:
    x = torch.eye(4)[[2, 2, 0, 0, 1]].view(5, 1, 2, 2)
    clustered = (x, np.array([0, 0, 2, 2, 2]))
    first, second, third, fourth = name_clusters(Planted(), ["a", "b", "c", "d"], 4, clustered)
    assert (first["name"], first["cosine"], first["images"]) == ("c", 1.0, 2)
    assert (third["name"], third["second"]) == ("a", "b")
    assert third["cosine"] == pytest.approx(2 / 5**0.5, abs=1e-4)
    assert second["images"] == fourth["images"] == 0 and second["name"] == second["cosine"] == ""


def test_what_cannot_be_named_is_refused(tmp_path: Path) -> None:
    seen = (torch.zeros(2, 1, 2, 2), np.zeros(2, np.int64))
    with pytest.raises(UserError, match="two words or more, each once: a, a"):
        name_clusters(Planted(), ["a", "a"], 2, seen)
    with pytest.raises(UserError, match="finite rows"):
        name_clusters(Planted(), ["a", "b", "c", "d", "e"], 2, seen)
    with pytest.raises(UserError, match="name a folder that transformers can load"):
        load_image_text(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no_such_module"):
        load_image_text("no_such_module:make")
    with pytest.raises(UserError, match="transformers"):
        load_image_text(str(tmp_path))


def test_a_clip_in_a_folder(tmp_path: Path) -> None:
    """A CLIP of random weights, saved as `transformers` saves one."""
    transformers = pytest.importorskip("transformers")
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (tmp_path / "vocab.json").write_text(str({t: i for i, t in enumerate(tokens)}).replace("'", '"'))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = transformers.CLIPConfig(
        text_config=small | {"vocab_size": len(tokens), "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1},
        vision_config=small | {"image_size": 16, "patch_size": 8},
        projection_dim=6,
    )
    processor = transformers.CLIPProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}), tokenizer
    )
    model = transformers.CLIPModel(config).eval()
    folder = tmp_path / "clip"
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    both = load_image_text(str(folder))
    x = torch.rand(3, 1, 8, 8)
    assert both.images(x).shape == (3, 6) and both.words(["cat", "dog"]).shape == (2, 6)
    again = processor(text=[TEMPLATE.format("dog")], return_tensors="pt")
    with torch.no_grad():
        found = model.get_text_features(**again)
    assert torch.allclose(both.words(["cat", "dog"])[1:], getattr(found, "pooler_output", found), atol=1e-5)
    shutil.rmtree(folder)
