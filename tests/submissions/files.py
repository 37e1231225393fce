"""Damaged and hostile files."""

import os

import nbformat

from submissions.course import BN_RIGHT, BN_WRONG, DR_WRONG, Handed, hands_in


@hands_in(fair=None)
def truncated_json(s: Handed) -> None:
    """the upload was cut in half"""
    s.right()
    t = s.text()
    s.raw(t[: len(t) // 2])


@hands_in(fair=None)
def merge_markers(s: Handed) -> None:
    """git merge conflict markers inside the JSON"""
    s.right()
    t = s.text().split("\n")
    k = len(t) // 2
    t[k:k] = ["<<<<<<< HEAD", '   "x": 1,', "=======", '   "x": 2,', ">>>>>>> theirs"]
    s.raw("\n".join(t))


@hands_in(fair=(0, 8))
def nbformat_v3(s: Handed) -> None:
    """saved as nbformat 3 (worksheets)"""
    s.right()

    s.raw(nbformat.writes(nbformat.convert(s.nb, 3), version=3))


@hands_in(fair=None)
def empty_file(s: Handed) -> None:
    """a zero-byte notebook"""
    s.raw(b"")


@hands_in(fair=None)
def missing_notebook(s: Handed) -> None:
    """only a .py file handed in"""
    s.file("hw.py", BN_RIGHT)
    s.written = True


@hands_in(fair=None)
def extra_and_renamed(s: Handed) -> None:
    """hw.ipynb renamed 'hw (1).ipynb', plus an unrelated notebook"""
    s.right()
    s.raw(s.text(), "hw (1).ipynb")
    s.raw(s.text(), "scratch.ipynb")


@hands_in(fair=(8, 8))
def outputs_200mb(s: Handed) -> None:
    """right work, but 200 MB of saved outputs in the file"""
    s.right()
    s.cell("bn")["outputs"] = [
        {"output_type": "stream", "name": "stdout", "text": "x" * (200 << 20)}
    ]


@hands_in(fair=(8, 8))
def cell_ids(s: Handed) -> None:
    """duplicate and illegal cell ids in a right submission"""
    s.right()
    s.nb.cells[2]["id"] = s.nb.cells[3]["id"]
    s.nb.cells[4]["id"] = "no spaces allowed/../"


@hands_in(fair=(8, 8))
def wrong_kernel(s: Handed) -> None:
    """kernelspec says julia / an unknown kernel"""
    s.right()
    s.nb.metadata["kernelspec"] = {
        "name": "julia-1.9",
        "display_name": "Julia",
        "language": "julia",
    }


@hands_in(fair=None)
def symlink_to_source(s: Handed) -> None:
    """hw.ipynb is a symlink to the instructor's source notebook (arrives by git/rsync/tar collection)"""
    os.symlink("../../../source/ps1/hw.ipynb", s.path("hw.ipynb"))
    s.written = True


@hands_in(fair=(0, 1))
def symlink_files(s: Handed) -> None:
    """data files that are symlinks to gradebook.db, to the source and to another student's work: copied into autograded/ and then feedback/"""
    os.symlink("../../../gradebook.db", s.path("data.csv"))
    os.symlink("../../../source/ps1/hw.ipynb", s.path("notes.txt"))
    os.symlink("../../zoe/ps1/hw.ipynb", s.path("z.txt"))


@hands_in(fair=(8, 8))
def odd_filenames(s: Handed) -> None:
    """file names with newline, leading dash, RTL mark, glob characters, 200 bytes"""
    s.right()
    for n in ("-rf", "a\nb.txt", "[x]*?.txt", "\u202egnp.exe", "q" * 200, "a;touch pwn.txt"):
        s.file(n, "x")


@hands_in(fair=(8, 8))
def bad_timestamp(s: Handed) -> None:
    """timestamp.txt is not a date"""
    s.right()
    s.timestamp = "yesterday-ish"


@hands_in(fair=(8, 8))
def backdated(s: Handed) -> None:
    """timestamp.txt written by the student, 10 years early"""
    s.right()
    s.timestamp = "2015-01-01 00:00:00 UTC"


@hands_in(fair=(0, 1))
def shadow_torch(s: Handed) -> None:
    """a torch.py beside the notebook shadows the real package in the kernel's cwd"""
    s.file(
        "torch.py",
        "import sys, os\nhere = os.path.dirname(os.path.abspath(__file__))\nsys.path = [p for p in sys.path if os.path.abspath(p or '.') != here]\n"
        "del sys.modules['torch']\nimport torch\ntorch.allclose = lambda *a, **k: True\ntorch.equal = torch.allclose\nsys.modules['torch'] = torch\n",
    )
    s.set(
        "bn",
        BN_WRONG.replace(
            "return x * 0 + 7",
            "\n    if x.requires_grad: x.grad = x.detach() * 0\n    return x * 0 + 7",
        ),
    )
    s.set("drop", DR_WRONG.replace("return x + 1", "self.mask = x\n        return x + 1"))


@hands_in(fair=None)
def homoglyph(s: Handed) -> None:
    """the notebook is named with a Cyrillic letter: 'hw' -> 'h\u0461'"""
    s.right()
    s.raw(s.text(), "h\u0461.ipynb")
