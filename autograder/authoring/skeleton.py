"""Write a small, whole exercise or quiz for an author to change."""

import re
from importlib.resources import files
from pathlib import Path

from autograder.authoring.course import AuthorError


def write(root: Path, name: str, *, quiz: bool = False) -> Path:
    """Write the file `solutions/<name>.py` below `root`, unless there is one."""
    name = name.removeprefix("solutions/").removesuffix(".py")
    path = root / "solutions" / f"{name}.py"
    if not re.fullmatch(r"[0-9]{2}_[a-z0-9_]+/[0-9]{2}_[a-z0-9_]+", name):
        raise AuthorError(
            name,
            "a name that is not NN_section/NN_exercise",
            "two numbers and small letters, such as 02_normalization/19_weight_norm",
            "python -m autograder new 02_normalization/19_weight_norm",
        )
    if path.exists():
        raise AuthorError(
            str(path), "a file that is there already", "a new name", f"python {path} runs it"
        )
    kind = "quiz" if quiz else "exercise"
    text = files("autograder.authoring").joinpath(f"skeletons/{kind}.py").read_text("utf-8")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
