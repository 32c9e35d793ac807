"""The figures of a report, drawn from a model, its codes and noise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unsup.core.arrays import Array
from unsup.data.base import ImageData
from unsup.evaluation.model_images import along_paths, seeded_samples
from unsup.evaluation.protocol import Evaluation
from unsup.evaluation.similar_images import nearest_on_map
from unsup.metrics import geometry
from unsup.models.parts.frozen import frozen
from unsup.reports.figures.code_map import CodeMap, hardest
from unsup.reports.figures.codes import PAIRS, PicturedClusters, draw_reconstructions, plane_of, write_figures
from unsup.reports.figures.samples import (
    COLUMNS,
    PROGRESS,
    draw_arcs,
    draw_lines_between,
    draw_nearest,
    draw_neighbours,
    draw_samples,
    draw_walks,
)
from unsup.reports.html import PageImages

SAMPLES = 100  # drawn, and compared with as many validation images
PATHS = 6  # interpolations
PATH_STEPS = 9  # images on an interpolation


def draw_figures(run: Path, model: Any, data: ImageData, evaluation: Evaluation) -> tuple[dict[str, str], PageImages]:
    """Draw every figure that the model allows, and leave the model unchanged.

    The random state is unchanged too. The test images are read once more, after the scores.

    Returns:
        {path relative to `run`: title} in the report's order, and the images of report.html: the map and the hardest.
    """
    folder = run / "figures"
    folder.mkdir(exist_ok=True)
    images = torch.cat(list(data.batches("test"))).numpy()  # (n, C, H, W)
    labels = data.labels("test")
    clusterings = [PicturedClusters.of_kmeans(evaluation.clusters, evaluation.cluster_distances)]
    if evaluation.own_clusters is not None:
        clusterings.append(PicturedClusters.of_model(evaluation.own_clusters, evaluation.codes))
    groups, kind = (clusterings[-1].clusters, "clusters") if labels is None else (labels, "classes")
    titles: dict[str, str] = {}
    with frozen(model):
        if hasattr(model, "reconstruct"):
            x = images[:PAIRS]
            x_hat = model.reconstruct(torch.from_numpy(x).to(model.device)).float().cpu().numpy()
            titles["reconstructions"] = draw_reconstructions(folder / "reconstructions.png", x, x_hat)
        if hasattr(model, "sample"):
            titles |= _samples(folder, model, data)
        if hasattr(model, "decode"):
            titles |= _code_space(folder, model, images, evaluation.codes, groups, kind)
        elif hasattr(model, "generate"):
            ends = np.random.default_rng(0).standard_normal((PATHS, 2, model.noise_dim), np.float32)
            noise = np.stack([geometry.spherical(start, end, PATH_STEPS) for start, end in ends])
            titles["interpolations"] = draw_arcs(folder / "interpolations.png", _made(model.generate, noise, model))
    at, nearest = evaluation.neighbours
    found = (
        torch.cat(list(data.batches("train", positions=nearest.ravel()))).numpy().reshape(*nearest.shape, *data.shape)
    )
    titles["neighbours"] = draw_neighbours(folder / "neighbours.png", images[at], found)
    plane = plane_of(evaluation.codes)
    titles |= write_figures(folder, images, plane, clusterings, labels, evaluation.predicted, data.class_names)
    code_map = CodeMap(
        plane,
        images,
        clusterings[-1].clusters,
        labels,
        evaluation.predicted,
        data.class_names,
        nearest=nearest_on_map(evaluation.codes[plane.chosen]),
    )
    probe, mistakes = evaluation.readout.probe, []
    if probe is not None and labels is not None:
        shares = probe.probabilities(evaluation.codes)
        mistakes = hardest(shares, labels, images, data.class_names, probe.classes)
    return {f"figures/{name}.png": title for name, title in titles.items()}, PageImages(code_map, mistakes)


def _samples(folder: Path, model: Any, data: ImageData) -> dict[str, str]:
    """Draw samples and the training images nearest to them."""
    samples = seeded_samples(model, SAMPLES, "samples").cpu().numpy()
    titles = {"samples": draw_samples(folder / "samples.png", samples)}
    if (folder / "progress.png").exists():  # training leaves it
        titles["progress"] = PROGRESS

    m = min(SAMPLES, data.size("val"))
    at = np.sort(np.random.default_rng(0).permutation(data.size("val"))[:m])
    unseen = torch.cat(list(data.batches("val", positions=at))).numpy()
    queries = np.concatenate([samples[:m], unseen]).reshape(2 * m, -1)
    batches = (x.flatten(1).numpy() for x in data.batches("train"))
    positions, distances = geometry.nearest(queries, batches)
    few = min(m, COLUMNS)
    neighbours = torch.cat(list(data.batches("train", positions=positions[:few]))).numpy()
    titles["nearest"] = draw_nearest(folder / "nearest.png", samples[:few], neighbours, distances[:m], distances[m:])
    return titles


def _code_space(folder: Path, model: Any, images: Array, codes: Array, groups: Array, kind: str) -> dict[str, str]:
    """Draw decoded codes between test images of two groups and along single entries."""
    titles = {}
    pairs = geometry.across_groups(groups, PATHS)
    if len(pairs):
        paths = np.stack([geometry.straight(codes[start], codes[end], PATH_STEPS) for start, end in pairs])
        decoded = _made(model.decode, paths, model)
        titles["interpolations"] = draw_lines_between(folder / "interpolations.png", decoded, images[pairs], kind)
    entries, deviations, paths = geometry.walks(codes)
    if len(entries):
        path, decoded = folder / "traversals.png", _made(model.decode, paths, model)
        titles["traversals"] = draw_walks(path, decoded, entries, deviations, geometry.OFFSETS, codes.shape[1])
    return titles


def _made(make: Callable[[Tensor], Tensor], paths: Array, model: Any) -> Array:
    return along_paths(make, paths, torch.empty(0, device=model.device)).cpu().numpy()
