"""Pictures of the dashboard for the README: TensorBoard over a folder of runs, seen by a browser without a window.

python docs/screenshots.py RUNS [FOLDER]
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.program import TensorBoard

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
VIEWS = {  # name: what stands in the address, pixels of the window
    "scores": ("#hparams", "1900,480"),
    "layout": ("#custom_scalars", "1400,1400"),
    "codes": ("#projector", "1400,900"),
}
PATIENCE = 60_000  # milliseconds of the page's own clock until its picture is taken


def main(runs: str, folder: str = str(Path(__file__).parent)) -> int:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no screenshots: none of {', '.join(BROWSERS)} is installed", file=sys.stderr)
        return 0
    board = TensorBoard()
    board.configure(argv=["tensorboard", "--logdir", runs, "--host", "localhost", "--port", "0", "--load_fast=false"])
    address = board.launch()
    Path(folder).mkdir(exist_ok=True)
    for name, (view, size) in VIEWS.items():
        path = Path(folder) / f"{name}.png"
        with tempfile.TemporaryDirectory() as profile:
            words = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--enable-unsafe-swiftshader"]
            words += [f"--user-data-dir={profile}", f"--window-size={size}", f"--virtual-time-budget={PATIENCE}"]
            words += [f"--screenshot={path}", address + view]
            subprocess.run([browser, *words], check=True, capture_output=True, timeout=300)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
