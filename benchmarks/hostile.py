"""The inputs of fuzz.py: each source draws one, and says what it is, what to do with it, and for how many it counts."""

import copy
import inspect
import io
import json
import math
import os
import pickle
import random
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[1]
Input = tuple[str, Callable[[], Any], int]

NUMBERS = [
    *("-1", "0", "1", "2", "0.5", "-0.5", "1e308", "1e-320", ".nan", ".inf", "-.inf", "10000000000", "9" * 18),
    *("[]", "[0]", "[-1]", "[2,0]", "[9999999999]"),
]
WORDS = [
    *("x", "yes", "null", "~", "{}", "[[]]", "[null]", "[3]", "[1.5,x]", "{a:", "a..b", "../../x", "*gone"),
    *("os.system", "unsup.models.base.Model"),
]
VALUES: list[Any] = [
    *(None, True, False, -1, 0, 1, 2, 10**18, 2**63, 10**400, -(10**30), 0.5, -0.5, 1e308, math.inf, math.nan),
    *("", "x", "\0", "\ud800", "a\nb", "\x1b[31m", "../../x", "/", "~nobody/x", "<script>", "x" * 300, "x" * 5000, "3"),
    *([], {}, [[]], [None], [-1], [0], ["x"], [1, 2], [10**18], {"a": 1}, {"": {}}, {"class_path": "os.system"}),
]
DEEP: Any = 1
for _ in range(60):
    DEEP = {"a": [DEEP]}
VALUES.append(DEEP)


def mutated(content: bytes, draw: random.Random, tokens: list[bytes]) -> bytes:
    """Change, drop or double a few bytes, or insert a token."""
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(content) + 1)
        length = draw.choice((1, 1, 4, 32, 256))
        match draw.randrange(6):
            case 0 if content:
                at = min(at, len(content) - 1)
                content = content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]
            case 1:
                content = content[:at] + content[at + length :]
            case 2:
                content = content[:at] + content[at : at + length] * 2 + content[at + length :]
            case 3 if draw.random() < 0.3:
                content = content[:at]
            case 4:
                content = content[:at] + draw.randbytes(length) + content[at + length :]
            case _:
                content = content[:at] + draw.choice(tokens) + content[at:]
    return content


def spoiled(content: Any, draw: random.Random, values: list[Any]) -> Any:
    """Return a copy in which one or two places are changed, removed or doubled."""
    content = copy.deepcopy(content)
    for _ in range(draw.choice((1, 1, 2))):
        holder = content
        while True:
            places = list(holder) if isinstance(holder, dict) else range(len(holder))
            key = draw.choice(list(places))
            inner = holder[key]
            if not (isinstance(inner, dict | list) and inner) or draw.random() < 0.2:
                break
            holder = inner
        value = copy.deepcopy(draw.choice(values))
        if isinstance(holder, dict) and draw.random() < 0.2:
            del holder[key]
            if draw.random() < 0.5:
                holder[draw.choice(("", "x", "a\nb", "\ud800", "0", "class_path", "<b>"))] = inner
        else:
            holder[key] = value
        if not content:
            break
    return content


class Options:
    """Words and numbers as options of the command line."""

    def __init__(self, scratch: Path) -> None:
        from lightning.pytorch import Trainer

        from unsup.core.strict_yaml import dump_yaml
        from unsup.runs import build
        from unsup.runs.config import compose, resolve
        from unsup.runs.init_from import check_stages
        from unsup.training import stages
        from unsup.training.failures import as_usage_errors
        from unsup.training.trainer import bare_trainer

        def start(config: dict[str, Any], *_: Any) -> tuple[()]:
            """Do what a training does before it reads images or writes anything."""
            check_stages(config)
            build.build(config)
            with as_usage_errors():
                bare_trainer(config, unused_parameters=False)
            yaml.safe_load(dump_yaml(config))
            return ()

        build.find_mnist = lambda config: (None, "no network here")
        stages.train_stages = start  # type: ignore[assignment]
        self.scratch = scratch
        self.models = [path.stem for path in sorted((TOP / "configs" / "model").glob("*.yaml")) if "@" not in path.stem]
        self.trainer = [f"trainer.{key}" for key in inspect.signature(Trainer).parameters]
        self.model = {model: list(resolve(compose(model, "digits"))["model"]["init_args"]) for model in self.models}

    def command(self, draw: random.Random) -> list[str]:
        """Return the other words that the user typed."""
        choices: tuple[list[str], ...] = (
            ["--data", "digits"],
            ["--data", "digits"],
            ["--images", str(self.scratch)],
            ["--data", "folder"],
            [],
        )
        data = draw.choice(choices)
        return ["train", *data, *(["--print_config"] if draw.random() < 0.3 else [])]

    def one(self, draw: random.Random) -> Input:
        from unsup.cli.main import main

        model = draw.choice(self.models)
        data = ("images", "size", "channels", "root", "batch_size", "steps_per_call", "class_path", "init_args")
        odd = ("model.class_path", "data.init_args.x", "a.b", ".", "model.", "trainer..x", "model.init_args")
        plain = ("seed", "init_from", "matmul_precision", "config", "runs", "epochs", "images", "data_root")
        words = [*self.command(draw), model]
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            keys = (
                self.trainer,
                [f"model.{key}" for key in self.model[model]],
                [f"data.{key}" for key in data],
                odd,
                plain,
            )
            key = draw.choice(draw.choice(keys) or odd)
            words.append(f"--{key}={draw.choice(draw.choice((WORDS, NUMBERS)))}")
        return repr(words), lambda: main(words), 1


def png(width: int, height: int) -> bytes:
    """Return the first bytes of a PNG file that claims this size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    parts = [struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Images:
    """Folders of images: damaged files, false headers, odd names, links and what is no file at all."""

    NAMES = ("\udcff\udcfe", "a\nb", "\x1b[2J", "<script>", "..a", " ", "x" * 240, "é\u202e", "a\\b", "'\"", "%s{}")

    def __init__(self, scratch: Path) -> None:
        from PIL import Image

        self.scratch, self.files = scratch / "images", []
        picture = Image.linear_gradient("L").resize((24, 20))
        for mode, format_, more in (
            *(("RGB", "PNG", {}), ("P", "PNG", {}), ("I;16", "PNG", {}), ("LA", "PNG", {}), ("RGB", "JPEG", {})),
            *(("CMYK", "JPEG", {}), ("L", "JPEG", {"progressive": True}), ("P", "GIF", {}), ("RGB", "BMP", {})),
            *(("RGBA", "WEBP", {}), ("RGB", "TIFF", {}), ("L", "TIFF", {"compression": "tiff_lzw"}), ("F", "TIFF", {})),
            *(("RGB", "PPM", {}), ("1", "PPM", {}), ("RGB", "TIFF", {"compression": "jpeg"})),
        ):
            out = io.BytesIO()
            picture.convert("RGB" if mode == "CMYK" else "L").convert(mode).save(out, format_, **more)
            self.files.append(out.getvalue())
        self.good = self.files[0]
        self.files += [png(60_000, 60_000), png(13_000, 13_000), png(0, 0), b"", b"P6 60000 60000 255\n" + b"x" * 99]
        self.files += [
            b"GIF89a" + b"\xff\xff\xff\xff" + b"\0" * 40,
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        ]
        self.files += [b"<svg xmlns='http://www.w3.org/2000/svg'/>", zlib.compress(b"\0" * 10**6), b"%PDF-1.4"]

    def folder(self, draw: random.Random) -> Input:
        """Good images in up to three folders and a few hostile entries; each of these counts."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        top = self.scratch / draw.choice(("set", "a\nb", "\udcff"))
        places = [top / place for place in draw.choice((("",), ("a", "b"), ("train/a", "train/b", "test/a")))]
        for place in places:
            place.mkdir(parents=True)
            for i in range(24):
                (place / f"{i}.png").write_bytes(self.good)
        count = draw.choice((1, 1, 4, 16))
        for i in range(count):
            place = draw.choice(places)
            if draw.random() < 0.1:
                place /= draw.choice((*self.NAMES, "test", "x.png"))
                place.mkdir(exist_ok=True)
            name = draw.choice(("", draw.choice(self.NAMES))) + draw.choice((".png", ".jpg", ".TIF", ".gif"))
            self.entry(place / f"h{i}{name}", draw)
        channels = draw.choice((1, 3))

        def act() -> None:
            from unsup.runs.build import load_data
            from unsup.runs.config import compose, resolve

            options = [("data.images", str(top)), ("data.size", 8), ("data.channels", channels)]
            load_data(resolve(compose("pixels", "folder", [], [*options, ("data.root", str(self.scratch / "root"))])))

        return f"{sorted(str(path) for path in self.scratch.rglob('h*'))[:16]}", act, count

    def entry(self, path: Path, draw: random.Random) -> None:
        match draw.randrange(12):
            case 0:
                target = draw.choice((str(path), "/nonexistent", "..", "/dev/zero", "/proc/self/mem", "."))
                path.symlink_to(target)
            case 1:
                path.mkdir()
            case 2:
                os.mkfifo(path)
            case _:
                content = draw.choice(self.files)
                changed = mutated(content, draw, [b"\0" * 64, b"\xff" * 8, content])
                path.write_bytes(changed if draw.random() < 0.8 else content)


class Folder:
    """A run of a small model, not evaluated, whose files are spoiled."""

    def __init__(self, scratch: Path) -> None:
        import torch

        from unsup.core.strict_yaml import dump_yaml
        from unsup.runs.build import build_data, build_model
        from unsup.runs.checkpoints import LAYOUT
        from unsup.runs.config import compose, resolve

        config = resolve(compose("ae", "digits", [], [("model.hidden", 16)]))
        model = build_model(config, build_data(config))
        self.folder = scratch / "runs" / "digits" / "ae" / "0-001"
        (self.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(dump_yaml(config))
        self.checkpoint = {
            "state_dict": model.state_dict(),
            "hyper_parameters": dict(model.hparams),
            "global_step": 5,
            "epoch": 0,
            "layout": LAYOUT,
        }
        out = io.BytesIO()
        torch.save(self.checkpoint, out)
        self.content = out.getvalue()


class Code:
    """Pickled, it is a command that is run by whoever unpickles it."""

    def __reduce__(self) -> Any:
        return os.system, ("echo run by a checkpoint > witness",)


class Checkpoints(Folder):
    """Checkpoints whose bytes or whose content is changed, and those that hold code."""

    def one(self, draw: random.Random) -> Input:
        import torch

        from unsup.runs.checkpoints import newest_checkpoint
        from unsup.runs.run import Run

        path, kind = self.folder / "checkpoints" / "last.ckpt", draw.randrange(10)
        if kind < 5:
            content = mutated(self.content, draw, [b"PK\x05\x06", pickle.dumps(Code()), b"\0" * 4096])
        elif kind < 8:
            values = [*VALUES, torch.zeros(3), torch.tensor(float("nan")), torch.zeros(2, dtype=torch.int8)]
            out = io.BytesIO()
            torch.save(spoiled(self.checkpoint, draw, values), out)
            content = out.getvalue()
        else:
            content = self.with_code(draw)
        path.write_bytes(content)

        def act() -> None:
            run = Run(self.folder)
            newest_checkpoint(str(run), run.checkpoints)
            run.model()

        return f"checkpoint {kind} {content[:40]!r}", act, 1

    def with_code(self, draw: random.Random) -> bytes:
        code = pickle.dumps({"state_dict": Code(), "hyper_parameters": {}}, draw.choice((0, 2, 4)))
        if draw.random() < 0.3:
            return code
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(self.content)) as whole, zipfile.ZipFile(out, "w") as other:
            for name in whole.namelist():
                other.writestr(name, code if name.endswith("data.pkl") else whole.read(name))
        return out.getvalue()


class Records(Folder):
    """versions.json, training.json and config.yaml of a run."""

    def one(self, draw: random.Random) -> Input:
        from unsup.evaluation.existing_runs import RunIndex
        from unsup.models.pixels import Pixels
        from unsup.runs.origin import origin_record
        from unsup.runs.run import Run

        contents = {
            "versions.json": {
                "command": "unsup",
                "data_sha256": "ab",
                "init_from": {"run": "a/b/c", "stages_seconds": 3.0},
            },
            "training.json": {"epochs": 3, "train_seconds": 2.5, "views": "none", "chosen": "published"},
        }
        for name, content in contents.items():
            text = json.dumps(spoiled(content, draw, VALUES)).encode()
            text = (
                mutated(text, draw, [b"[" * 99999, b"[" * 900 + b"]" * 900, b"NaN", b"\xff"])
                if draw.random() < 0.3
                else text
            )
            (self.folder / name).write_bytes(text)
        config = Run(self.folder).config

        def act() -> None:
            RunIndex(self.folder.parents[2]).progress(config)
            RunIndex(self.folder.parents[2]).newest_trained(config, "ab")
            origin_record(Run(self.folder), Pixels((1, 8, 8)))

        return " ".join((self.folder / name).read_bytes()[:300].decode(errors="replace") for name in contents), act, 1


class Reports:
    """A report next to a sound one, compared, recorded, drawn as a page and classified with."""

    def __init__(self, scratch: Path) -> None:
        self.root = scratch / "reports"
        recorded = sorted((TOP / "results").glob("*/*/*.json"))
        self.reports = [json.loads(path.read_text()) for path in recorded]
        (self.root / "mnist" / "sound" / "0-001").mkdir(parents=True)
        (self.root / "mnist" / "sound" / "0-001" / "report.json").write_text(recorded[-1].read_text())
        self.run = self.root / "mnist" / "bad" / "0-001"
        self.run.mkdir(parents=True)

    def one(self, draw: random.Random) -> Input:
        report = draw.choice(self.reports)
        if draw.random() < 0.3:
            tokens = [b"NaN", b"null", b"1e999", b"9" * 400, b"\xff", b'"\\ud800"', b"{}", b",", b"<script>"]
            tokens += [b"[" * 99999, b"[" * 900 + b"]" * 900]
            content = mutated(json.dumps(report, indent=1).encode(), draw, tokens)
        else:
            content = json.dumps(spoiled(report, draw, VALUES)).encode()
        (self.run / "report.json").write_bytes(content)
        return "report", draw.choice((self.compare, self.compare, self.keep, self.classes)), 1

    def compare(self) -> int:
        from unsup.cli.main import main

        return main(["compare", "--runs", str(self.root)])

    def keep(self) -> None:
        from unsup.comparison.recorded.store import record_report

        record_report(self.run, self.root / "results")

    def classes(self) -> None:
        from unsup.runs.run import Run

        _ = Run(self.run).class_names
