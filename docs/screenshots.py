"""Take pictures of TensorBoard over a folder of runs, with a browser that has no window.

python docs/screenshots.py RUNS [--out FOLDER]

The pictures go to RUNS/screenshots. Those of the documentation are replaced only by `--out docs`.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.program import TensorBoard

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
VIEWS = {  # name: end of the address, pixels of the window
    "scores": ("#hparams", "1900,480"),
    "layout": ("#custom_scalars", "1400,1400"),
    "codes": ("#projector", "1400,900"),
}
PATIENCE = 60_000  # milliseconds on the page's own clock until its picture is taken


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUNS", type=Path, help="a folder of runs")
    parser.add_argument("--out", type=Path, help="folder for the pictures (RUNS/screenshots)")
    arguments = parser.parse_args(argv)
    if not arguments.runs.is_dir():
        parser.error(f"there is no folder {arguments.runs}")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no screenshots: none of {', '.join(BROWSERS)} is installed", file=sys.stderr)
        return 0
    folder = arguments.out or arguments.runs / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    board = TensorBoard()
    places = ["--logdir", str(arguments.runs), "--host", "localhost", "--port", "0"]
    board.configure(argv=["tensorboard", *places, "--load_fast=false"])
    address = board.launch()
    for name, (view, size) in VIEWS.items():
        path = folder / f"{name}.png"
        with tempfile.TemporaryDirectory() as profile:
            words = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--enable-unsafe-swiftshader"]
            words += [f"--user-data-dir={profile}", f"--window-size={size}", f"--virtual-time-budget={PATIENCE}"]
            words += [f"--screenshot={path}", address + view]
            subprocess.run([browser, *words], check=True, capture_output=True, timeout=300)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
