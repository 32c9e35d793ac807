"""The recipes of configs/ go into the wheel, next to the package's files."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithRecipes(build_py):
    """Copies configs/ to unsup/configs/, unless the package is installed in place."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("configs", Path(self.build_lib, "unsup", "configs"), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithRecipes})
