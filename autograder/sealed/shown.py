"""What the student's code shows and raises, with everything taken out that could act."""

import base64
import builtins
import contextlib
import re
from collections.abc import Mapping
from typing import Any

from autograder.sealed.student import IMAGE, OUTPUTS, TEXT

UNSEEN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PNG = b"\x89PNG\r\n\x1a\n"
PIXELS = 20_000_000  # of one picture: a small file may unfold to more than a browser can hold
ROOM = 24 << 20  # bytes of all outputs of one notebook


def clean(text: str) -> str:
    return UNSEEN.sub("", text)


def is_picture(data: bytes) -> bool:
    """Whether some bytes are a PNG image of a bearable size."""
    if not data.startswith(PNG) or data[12:16] != b"IHDR" or len(data) < 24:
        return False
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    return 0 < width * height <= PIXELS


def outputs_of(found: Any, room: int = ROOM) -> list[dict[str, Any]]:
    """The outputs of a cell as a notebook holds them: text and images, nothing that acts.

    What no longer fits into `room` bytes is left out, and a line says so.
    """
    outputs: list[dict[str, Any]] = []
    for item in found[: OUTPUTS + 2] if type(found) is list else ():
        if type(item) is not list or len(item) != 2:
            continue
        kind, data = item
        if kind in ("stdout", "stderr") and type(data) is str and data:
            text = clean(data)[:TEXT]
            text += "\n… cut here" if len(data) >= TEXT else ""
            outputs.append({"output_type": "stream", "name": kind, "text": text})
        elif kind == "text" and type(data) is str:
            shown = {"text/plain": clean(data)[:TEXT]}
            outputs.append({"output_type": "display_data", "data": shown, "metadata": {}})
        elif kind == "png" and type(data) is bytes and len(data) <= IMAGE:
            with contextlib.suppress(ValueError):
                data = data if data.startswith(PNG) else base64.b64decode(data, validate=True)
                if is_picture(data):
                    image = {"image/png": base64.b64encode(data).decode()}
                    outputs.append({"output_type": "display_data", "data": image, "metadata": {}})
    kept: list[dict[str, Any]] = []
    for output in outputs:
        room -= size_of([output])
        if room < 0:
            note = "… the notebook shows more than is kept; the rest was left out\n"
            return [*kept, {"output_type": "stream", "name": "stderr", "text": note}]
        kept.append(output)
    return kept


def size_of(outputs: list[dict[str, Any]]) -> int:
    """How much the texts and images of some outputs take."""
    texts = [o.get("text") or next(iter(o.get("data", {}).values()), "") for o in outputs]
    return sum(map(len, texts))


def error_output(kind: str, text: str, trace: str) -> dict[str, Any]:
    lines = [line for line in clean(trace).splitlines() if line]
    return {
        "output_type": "error",
        "ename": clean(kind),
        "evalue": text,
        "traceback": [*lines, f"{clean(kind)}: {text}"],
    }


def raised(failure: Mapping[str, Any]) -> BaseException:
    """The exception that a student's code raised, of a kind that can do no harm here."""
    name, text = str(failure.get("type"))[:100], clean(str(failure.get("text")))[:2000]
    kinds = failure.get("kinds")
    kinds = [str(k) for k in kinds][:20] if type(kinds) is list else []
    base: type[Exception] = Exception
    for kind in kinds:
        found = getattr(builtins, kind, None)
        if isinstance(found, type) and issubclass(found, Exception):
            base = found
            break
    # These would end a loop or a generator of the check's as if all were well.
    if issubclass(base, StopIteration | StopAsyncIteration):
        base, text = RuntimeError, f"{name}: {text}"
    if issubclass(base, UnicodeError) or issubclass(base, BaseExceptionGroup):
        base = ValueError
    kind_ = base if base.__name__ == name else _named(name, base)
    try:
        error = kind_(text)
    except Exception:
        error = RuntimeError(f"{name}: {text}")
    if isinstance(error, NameError):
        missing = failure.get("name")
        error.name = missing if type(missing) is str else None
    if isinstance(error, KeyError):
        error.args = (text.strip("'\""),)
    return error


def _named(name: str, base: type[Exception]) -> type[Exception]:
    return type(name if name.isidentifier() else "Exception", (base,), {})
