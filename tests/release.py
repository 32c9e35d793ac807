"""A release is built and checked: `make release-check`. Nothing is uploaded.

python tests/release.py FOLDER

The wheel and the sdist go to the folder.
"""

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

import yaml
from packaging.metadata import Metadata

TOP = Path(__file__).parents[1]
LEFT_OUT = ("tests/", "docs/", "results/", "notebooks/", "benchmarks/", "examples/", ".")


def build(folder: Path) -> tuple[Path, Path]:
    """Build an sdist of the tracked files, and a wheel from it, without a network. Return (wheel, sdist)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tracked = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as place:
        for name in tracked.splitlines():
            if (TOP / name).is_file() and not name.startswith(LEFT_OUT):
                (target := Path(place, name)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(TOP / name, target)
        code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
        run([sys.executable, "-c", code, str(folder.resolve())], Path(place))
    (sdist,) = folder.glob("*.tar.gz")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-deps", "--no-index"]
    run([*pip, "--no-build-isolation", "-w", ".", sdist.name], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel, sdist


def run(words: list[str], folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def contents(wheel: Path, sdist: Path) -> tuple[set[str], set[str]]:
    """Return the names of the files in both, those of the sdist below its folder."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        return packed, {name.partition("/")[2] for name in archive.getnames()}


def missing_files(wheel: set[str], sdist: set[str]) -> list[str]:
    """Return what a wheel or an sdist lacks of the package, its templates, its recipes and its licence."""
    package = [path.relative_to(TOP).as_posix() for path in (TOP / "unsup").rglob("*") if is_source(path)]
    recipes = [path.relative_to(TOP).as_posix() for path in (TOP / "configs").rglob("*.yaml")]
    documents = ["LICENSE", "README.md", "pyproject.toml", "constraints.txt"]
    faults = [f"the wheel has no {name}" for name in (*package, *(f"unsup/{r}" for r in recipes)) if name not in wheel]
    faults += [f"the sdist has no {name}" for name in (*package, *recipes, *documents) if name not in sdist]
    licensed = any(name.endswith("LICENSE") for name in wheel)
    return faults + ([] if licensed else ["the wheel has no LICENSE"])


def foreign_files(wheel: set[str], sdist: set[str]) -> list[str]:
    """Return what belongs in neither."""
    strange = [name for name in wheel if not re.match(r"unsup/|unsup-[^/]+\.dist-info/", name)]
    strange += [name for name in (*wheel, *sdist) if re.search(r"^(tests|runs|data)/|\.pyc$|\.ckpt$", name)]
    return [f"{name} does not belong in a release" for name in sorted(strange)]


def is_source(path: Path) -> bool:
    return path.suffix in (".py", ".css", ".j2")


def metadata_faults(wheel: Path) -> list[str]:
    """Return what the metadata of a wheel have against the standard and against pyproject.toml."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(archive.read(name), validate=True)
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {"name": metadata.name, "version": str(metadata.version), "description": metadata.summary}
    faults = [f"{key} is {value!r} in the wheel" for key, value in stated.items() if value != project[key]]
    if metadata.description != (TOP / "README.md").read_text(encoding="utf-8"):
        faults.append("the description of the wheel is not README.md")
    return faults


def version_faults(files: dict[str, str], protocol: str) -> list[str]:
    """Return where documents disagree with the version in pyproject.toml, or with the protocol of the code.

    Args:
        files: texts by name: pyproject.toml, unsup/core/version.py, CITATION.cff, CHANGELOG.md, docs/protocol/cite.md,
            and the document of the protocol under the name "protocol".
        protocol: as reports name it, such as "protocol 4".
    """
    version = tomllib.loads(files["pyproject.toml"])["project"]["version"]
    citation = yaml.safe_load(files["CITATION.cff"])
    dates = dict(re.findall(r"^## \[(\d[^\]]*)\] - (\S+)$", files["CHANGELOG.md"], re.M))
    number, _, draft = protocol.partition(", ")
    checks = {
        "unsup/core/version.py": f'__version__ = "{version}"' in files["unsup/core/version.py"],
        "CITATION.cff": citation["version"] == version and str(citation["date-released"]) == dates.get(version),
        "CHANGELOG.md": next(iter(dates), "") == version,
        "docs/protocol/cite.md": f"version {version}; evaluation {protocol}" in files["docs/protocol/cite.md"],
        "the protocol's document": f"**{number}, {draft or 'final'}**" in files["protocol"],
    }
    return [f"{name} does not have version {version} and {protocol}" for name, good in checks.items() if not good]


def documents() -> tuple[dict[str, str], str]:
    """Return the arguments of `version_faults` for this checkout."""
    from unsup.evaluation.protocol import DRAFT, VERSION

    names = {name: name for name in ("pyproject.toml", "unsup/core/version.py", "CITATION.cff", "CHANGELOG.md")}
    names |= {"docs/protocol/cite.md": "docs/protocol/cite.md", "protocol": f"docs/protocol/version-{VERSION}.md"}
    texts = {key: (TOP / name).read_text(encoding="utf-8") for key, name in names.items()}
    return texts, f"protocol {VERSION}" + (f", draft {DRAFT}" if DRAFT else "")


def main(folder: Path) -> int:
    wheel, sdist = build(folder)
    packed = contents(wheel, sdist)
    faults = [*missing_files(*packed), *foreign_files(*packed), *metadata_faults(wheel), *version_faults(*documents())]
    print("\n".join(faults) or f"release    {wheel} and {sdist.name} are complete, and the documents agree")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
