"""A page of docs/ as its reader follows it: its files are written, its commands typed, in an empty folder outside the tree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"# (\w+\.py)\n")
TINY = (("patients=(60, 15, 25)", "patients=(3, 2, 2)"), ("pixel_mm=0.462", "pixel_mm=1.6"))
"""The phantom of the pages' commands, small: nothing else of them is changed."""


@dataclass(kw_only=True, slots=True)
class Page:
    """What a page has its reader write and type, in order.

    Attributes:
        files: name and content of each Python block that begins with its file's name.
        commands: lines of the shell blocks, comments cut off.
    """

    files: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, name: str) -> Page:
        """The page ``docs/<name>.md``."""
        page = cls()
        for kind, block in _BLOCK.findall((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")):
            if kind == "python" and (match := _FILE.match(block)):
                page.files[match[1]] = block
            elif kind == "sh":
                page.commands += [
                    command for line in block.splitlines() if (command := line.partition("  #")[0].strip())
                ]
        return page

    def write(self, folder: Path) -> None:
        """Its files."""
        for name, content in self.files.items():
            (folder / name).write_text(content, encoding="utf-8")


def tiny_configs(folder: Path) -> Path:
    """The package's configs with a phantom that is generated in a second."""
    configs = folder / "configs"
    shutil.copytree(ROOT / "harness" / "configs", configs)
    path = configs / "datasets" / "phantom.py"
    text = path.read_text(encoding="utf-8")
    for old, new in TINY:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return configs


def type_command(command: str) -> int:
    """Type a line: ``echobench`` in this process, anything else in a shell of its own; returns the exit code."""
    words = shlex.split(command)
    if words[0] != "echobench":
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(["bash", "-c", command], env=environment, check=False).returncode
    from harness.cli import main

    sys.argv = words
    try:
        main(words[1:])
    except SystemExit as end:
        return int(end.code or 0)
    return 0
