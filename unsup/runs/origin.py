"""The cost and the origin of a run, and its record in runs that start from it."""

from typing import Any

from msgspec import to_builtins

from unsup.models.base import Model
from unsup.models.parts.frozen import weights_hash
from unsup.reports.provenance_schema import Pretraining
from unsup.runs.pretraining import pretraining
from unsup.runs.run import Run


def stages_cost(run: Run) -> dict[str, float]:
    """Return seconds of training with those of the runs that a run started from.

    CPU-seconds are absent if those of any stage are, and GPU-seconds if no stage had any.
    """
    before, own = run.versions.get("init_from"), run.training
    cost = {"stages_seconds": (before or {}).get("stages_seconds", 0.0) + own["train_seconds"]}
    if "cpu_seconds" in own and (before is None or "stages_cpu_seconds" in before):
        cost["stages_cpu_seconds"] = (before or {}).get("stages_cpu_seconds", 0.0) + own["cpu_seconds"]
    if gpu := (before or {}).get("stages_gpu_seconds", 0.0) + own.get("gpu_seconds", 0.0):
        cost["stages_gpu_seconds"] = gpu
    return cost


def pretrained_on(run: Run, model: Model) -> Pretraining:
    """Return what the weights of a run, which `model` has, were trained on."""
    learned = hasattr(model, "fit") or run.training.get("images_seen", run.training.get("epochs", 0)) > 0
    data = run.config["dataset"], run.versions["data_sha256"]
    return pretraining(model, learned, run.versions.get("init_from"), *data)


def origin_record(run: Run, model: Model) -> dict[str, Any]:
    """Return the record of a run in a run that starts from its weights, `model`'s."""
    return {
        "run": f"{run.config['dataset']}/{run.config['recipe']}/{run.folder.name}",  # no folders of this machine
        "weights_sha256": weights_hash(model),
        "data_sha256": run.versions["data_sha256"],
        "views": run.training.get("views", "none"),
        "pretrained_on": to_builtins(pretrained_on(run, model)),
        **stages_cost(run),
    }
