"""Files appear whole or not at all."""

import contextlib
import itertools
import os
from pathlib import Path

PARTIAL = ".partial-"
_numbers = itertools.count()


def write_whole(
    path: Path, data: str | bytes, *, room: Path | None = None, mode: int = 0o644
) -> None:
    """Write a file, and its folder, unless it holds these bytes already.

    Until it is whole it is called .partial-… and lies in `room`, which is its own folder if no
    other on the same disk is given.
    """
    data = data.encode() if isinstance(data, str) else data
    with contextlib.suppress(OSError):
        if not path.is_symlink() and path.read_bytes() == data:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = (room or path.parent) / f"{PARTIAL}{os.getpid()}-{next(_numbers)}"
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode)
        if os.name == "nt" and path.exists():
            path.chmod(0o644)  # Windows replaces no file that is read-only
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
