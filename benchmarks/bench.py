"""Measure speed as ratios.

The sides of a comparison run in turn in one process (A B A B …); the median over pairs counts.

python benchmarks/bench.py [--quick] [--only training startup --models ae deep_ae --data_root data]

Prints tables and writes benchmarks/results.json, section by section. --quick (90 seconds, nothing is
written) shows that everything runs. Its figures mean little: the overhead at the ends of its short epochs dominates.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import unsup  # noqa: F401  (before PyTorch: it sets how threads wait)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported
SECTIONS = ("training", "data_paths", "evaluation", "startup", "scale", "switches")
ON_CPU = ("data_paths", "evaluation", "scale", "switches")  # they do not use an accelerator
MODELS = ("ae", "deep_ae", "vae", "conv_ae", "gan")
OUT = Path(__file__).with_name("results.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two pairs of five steps, small sizes")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS, metavar="SECTION")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--pairs", type=int, default=5, help="at least 5 for figures that are to be believed")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--steps_per_call", type=int, help="instead of the recipe's")
    parser.add_argument("--data_root", default="data", help="folder that holds MNIST (MNIST/raw/…)")
    parser.add_argument("--accelerator", default="auto", help="as trainer.accelerator")
    parser.add_argument("--core", type=int, help="pin this process to one core")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.quick:
        options.pairs = 2

    import torch

    from unsup.core.errors import UserError
    from unsup.training.trainer import silence_libraries

    silence_libraries()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    cuda = options.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    about = machine(torch.cuda.get_device_name() if cuda else "cpu")
    print(", ".join(f"{key} {value}" for key, value in about.items()), flush=True)
    for name in options.only:
        if cuda and name in ON_CPU:
            print(f"\n{name}: of the processor only, skipped with an accelerator")
            continue
        section: Any = import_module(name)
        print(f"\n{section.__doc__}", flush=True)
        several = [[model] for model in options.models] if name == "training" else [options.models]
        for models in several:  # written after each model
            try:
                found = section.measure(argparse.Namespace(**{**vars(options), "models": models}))
            except UserError as e:
                print(f"{e}; --data_root says where MNIST lies", file=sys.stderr)
                return 1
            print(f"\n{section.told(found)}\n", flush=True)
            if not options.quick:
                write(options.out, name, about, found)
    return 0


def machine(device: str) -> dict[str, str]:
    """Return the processor, cores and versions that the figures depend on."""
    names = [line.partition(":")[2].strip() for line in cpuinfo() if line.startswith("model name")]
    versions = {name: version(name) for name in ("torch", "lightning", "scikit-learn")}
    threads = os.environ["OMP_NUM_THREADS"]
    cpu = f"{next(iter(names), platform.machine())}, {os.cpu_count()} cores"
    return {"device": device, "processor": cpu, "threads": threads, "python": platform.python_version(), **versions}


def cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def write(out: Path, name: str, about: Mapping[str, str], found: Any) -> None:
    """Merge the figures of a section into the file; models measured before stay."""
    kept = json.loads(out.read_text()) if out.exists() else {}
    if isinstance(found, dict):
        found = kept.get(name, {}).get("found", {}) | found
    out.write_text(json.dumps(kept | {name: {"machine": about, "found": found}}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
