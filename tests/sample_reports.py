"""Reports as an evaluation would make them, for tests of what is written from them."""

import json
from collections.abc import Callable
from typing import Any

from unsup.reports.report import parse_report
from unsup.reports.schema import Report


def typed(content: dict[str, Any]) -> Report:
    """A report with the content of this report.json."""
    return parse_report(json.loads(json.dumps(content)))


def on_contents(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which takes the content of report.json, or a list of contents, in place of reports."""

    def convert(value: Any) -> Any:
        if isinstance(value, dict) and "provenance" in value:
            return typed(value)
        return [convert(one) for one in value] if isinstance(value, list) else value

    return lambda *args: function(*map(convert, args))


def scores(dim: int, probe: float, sse: float | None = None, classes: int = 10) -> dict[str, Any]:
    """Scores of `dim`-dimensional codes, all of them derived from `probe`, none equal to another."""

    def kmeans(shift: float) -> dict[str, Any]:
        base = probe * 0.7 + shift
        parts = {
            split: {"acc": base + d, "nmi": base - 0.0711 + d, "ari": base - 0.1322 + d}
            for split, d in (("train", 0.0013), ("test", 0.0))
        }
        return {**parts, "restarts": {"acc_mean": base - 0.0243, "acc_std": 0.0234 + shift}}

    found: dict[str, Any] = {
        "code_dim": dim,
        "dead_units": 0,
        "rankme": dim * probe * 0.8,
        "silhouette": {"raw": 0.1234 * probe, "l2": 0.1456 * probe},
        **probes(probe),
        "few_label_standardised": {
            "1": {"mean": probe - 0.4117, "std": 0.0322, "draws": 20},
            "10": {"mean": probe - 0.1118, "std": 0.0131, "draws": 20},
        },
        "knn": {
            "accuracy": probe + 0.0111,
            "k": 20,
            "raw": {"accuracy": probe + 0.0101},
            "l2": {"accuracy": probe + 0.0122},
            "weighted": {"accuracy": probe + 0.0034, "k": 200},
        },
        "kmeans": {
            "space": "raw",
            **kmeans(0.0),
            "raw": kmeans(0.0),
            "l2": kmeans(0.0334),
            "transductive": {"acc": probe * 0.68, "nmi": probe * 0.61, "ari": probe * 0.55},
        },
    }
    found["linear_probe"] |= {
        "balanced_accuracy": probe - 0.0015,
        "macro_f1": probe - 0.0025,
        "chance": 0.1133,
        "nll": 1.2 - probe,
        "brier": 1.1 - probe,
        "calibration_error": 0.0123,
        "calibrated": 0.0044,
    }
    found["linear_probe"]["per_class"] = [probe - 0.0043 * c for c in range(classes)]
    if sse is not None:
        found["reconstruction"] = {"sse_per_image": sse, "mse_per_pixel": sse / 784}
    return found


def probes(probe: float) -> dict[str, Any]:
    return {
        "linear_probe": {"accuracy": probe, "low": probe - 0.0041, "high": probe + 0.0039, "C": 0.1},
        "few_label": {
            "1": {"mean": probe - 0.4017, "std": 0.0312, "draws": 20},
            "10": {"mean": probe - 0.1018, "std": 0.0121, "draws": 20},
        },
    }


def difference(value: float, width: float = 0.004) -> dict[str, Any]:
    low, high = value - width, value + width
    return {"difference": value, "low": low, "high": high, "separable": low > 0 or high < 0}


def report(model: str = "deep_ae", data: str = "mnist", seed: int = 0, probe: float = 0.9512) -> dict[str, Any]:
    """A labelled report with every section."""
    own = scores(30, probe, 9.134)
    own["layers"] = {"h1": {"dim": 1000, **probes(probe + 0.0202)}, "h2": {"dim": 500, **probes(probe + 0.0101)}}
    untrained = scores(30, 0.8834, 52.31) | {"initialisations": 3}
    untrained["layers"] = {"h1": {"dim": 1000, **probes(0.9377)}, "h2": {"dim": 500, **probes(0.9266)}}
    baselines = {"pixels": scores(784, 0.9263), "pca": scores(30, 0.8961, 13.874), "untrained": untrained}
    return {
        "schema": 4,
        "protocol": 4,
        "run": {
            "model": model,
            "data": data,
            "seed": seed,
            "code_dim": 30,
            "parameters": 2_837_314,
            "epochs": 20,
            "train_seconds": 120.4 + seed,
            "cpu_seconds": 148.2 + seed,
            "stages_cpu_seconds": 148.2 + seed,
            "images_seen": 1_100_000,
            "reference": {"device": "cpu", "seconds": 1.02},
            "images_per_second": 7412.3,
            "command": f"unsup train {model} --data {data} --seed {seed} --data_root data --runs runs",
            "views": "none",
            "images": {"train": 55_000, "val": 5_000, "test": 10_000},
            "chosen": "validation",
            "class_names": list("0123456789"),
        },
        "provenance": {
            "versions": {"python": "3.11.7", "unsup": "0.1.0", "torch": "2.15.0"},
            "commit": "0123456789abcdef0123456789abcdef01234567",
            "dirty": False,
            "hardware": {"processor": "Some CPU", "cores": 2, "memory_gib": 8, "platform": "Linux x86_64"},
            "config": {"recipe": model, "dataset": data, "seed": seed, "trainer": {"max_epochs": 20}},
            "data_sha256": "fedcba9876543210" * 4,
        },
        "selfcheck": {"passed": 9, "total": 9},
        "frozen": {"before": "ab" * 32, "after": "ab" * 32},
        "test_reads": 1,
        "scores": own,
        "baselines": baselines,
        "comparisons": {
            name: {
                "linear_probe": difference(probe - baseline["linear_probe"]["accuracy"]),
                "few_label_10": difference(own["few_label"]["10"]["mean"] - baseline["few_label"]["10"]["mean"]),
            }
            for name, baseline in baselines.items()
        },
        "figures": {"figures/reconstructions.png": "Test images and their reconstructions", "figures/map.png": "A map"},
    }


def clustered(model: str = "dec", seed: int = 0, acc: float = 0.8714) -> dict[str, Any]:
    """A labelled report of a model that has clusters of its own, learned from views."""
    whole = report(model, seed=seed, probe=0.91)
    parts = {
        split: {"acc": acc + d, "nmi": acc - 0.05, "ari": acc - 0.1} for split, d in (("train", 0.002), ("test", 0))
    }
    whole["scores"]["clusterings"] = {"own": {"k": 10, "fitted_on": 55_000, "dim": 30, **parts}}
    whole["run"] |= {"views": "digits", "chosen": "published", "stages_seconds": 600.0, "stages_cpu_seconds": 640.0}
    return whole


def generative(model: str = "vae", seed: int = 0, frechet: float = 4.318) -> dict[str, Any]:
    """A labelled report of a model that generates and has a likelihood."""
    whole = report(model, seed=seed)
    space = "64 features of a small classifier, validation accuracy .991"

    def generation(distance: float, precision: float, recall: float) -> dict[str, Any]:
        scores = {"frechet": distance, "kernel": distance / 100, "precision": precision, "recall": recall}
        return {"space": space, **scores, "n": 10_000}

    def likelihood(elbo: float, kl: float, units: float) -> dict[str, Any]:
        return {"elbo": elbo, "kl": kl, "active_units": units, "log_likelihood": elbo + 4.62, "samples": 100}

    whole["scores"] |= {"generation": generation(frechet, 0.812, 0.734), "likelihood": likelihood(-101.31, 25.17, 19)}
    whole["baselines"]["untrained"] |= {
        "generation": generation(93.42, 0.021, 0.003),
        "likelihood": likelihood(-546.84, 0.0412, 0.0),
    }
    whole["baselines"]["real"] = {"generation": generation(0.09083, 0.862, 0.8856)}
    return whole


def unlabelled() -> dict[str, Any]:
    """A report on images without classes: nothing that needs labels is there."""
    whole = report(data="folder")
    free = ("code_dim", "dead_units", "rankme", "silhouette", "reconstruction")
    whole["scores"] = {key: whole["scores"][key] for key in free}
    whole["baselines"] = {
        name: {key: found[key] for key in free if key in found} for name, found in whole["baselines"].items()
    }
    whole["comparisons"] = {}
    del whole["run"]["class_names"]
    return whole


def comparable(
    model: str = "deep_ae", seed: int = 0, probe: float = 0.9512, data: str = "mnist", **options: Any
) -> dict[str, Any]:
    """A labelled report with every number that a comparison shows; `options` of the model are its own."""
    whole = report(model, data, seed, probe)
    whole["curves"] = {"train/loss": [[50 * i, 1 / (i + 1)] for i in range(200)]}
    whole["run"] |= {"augmentation": False, "views_seen": 2_200_000, "gpu_seconds": 60.0, "stages_gpu_seconds": 90.0}
    whole["provenance"]["config"]["model"] = {"class_path": "unsup.models.some.Model", "init_args": options}
    whole["provenance"]["config"]["data"] = {"class_path": "unsup.data.mnist.MNIST", "init_args": {"root": "data"}}
    for scores in (whole["scores"], *whole["baselines"].values()):
        own = scores["linear_probe"]["accuracy"]
        scores["probe_draws"] = {"mean": own - 0.0111, "std": 0.0031, "draws": 5, "images": 5000}
        middle = {"blur": own - 0.05, "occlusion": own - 0.15}
        corrupted = {k: [v + 0.03, v, v - 0.03] for k, v in middle.items()}
        scores["robustness"] = {"images": 2000, "clean": own} | corrupted
        mixture = {"k": 10, "fitted_on": 20_000, "dim": 30, "test": {"acc": own * 0.74, "nmi": 0.5, "ari": 0.4}}
        clusters = {"k": 10, "used": 10, "fitted_on": 55_000, "test": {"acc": own * 0.81, "nmi": 0.6, "ari": 0.5}}
        scores["clusterings"] = {"own": clusters, "gaussian mixture": mixture}
        scores["uniformity"] = -own * 2
    return whole
