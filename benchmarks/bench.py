"""How fast it is: ratios measured in one process, A B A B, medians; a table, and benchmarks/results.json.

python benchmarks/bench.py [--quick] [--only training --models ae deep_ae] [--data_root data]
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--models", nargs="+", default=["ae"])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--data_root", default="data")
    parser.add_argument("--accelerator", default="auto")
    options = parser.parse_args()
    import training
    from unsup.trainer import quiet
    quiet()
    found = training.measure(options)
    print(training.told(found))

if __name__ == "__main__":
    main()
