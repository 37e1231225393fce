"""Honest work: exactly the fair points, whatever it looks like."""

from submissions.course import BN_RIGHT, DR_RIGHT, Handed, hands_in


@hands_in(fair=(8, 8))
def plain_right(s: Handed) -> None:
    """plainly right"""
    s.right()


@hands_in(fair=(8, 8))
def warning_on_stderr(s: Handed) -> None:
    """right, but the function emits a warning (stderr)"""
    s.right()
    s.set(
        "bn",
        BN_RIGHT.replace(
            "    if training:\n",
            "    import warnings; warnings.warn('batch size is small')\n    if training:\n",
            1,
        ),
    )


@hands_in(fair=(8, 8))
def prints_and_progress(s: Handed) -> None:
    """right, prints from the functions, progress text on stderr in own cell"""
    s.right()
    s.set(
        "bn",
        BN_RIGHT.replace("    if training:\n", "    print('bn', x.shape)\n    if training:\n", 1),
    )
    s.insert("import sys\nfor i in range(5): print(i, file=sys.stderr)")


@hands_in(fair=(8, 8))
def helper_cells(s: Handed) -> None:
    """right, with helper functions and constants in own cells"""
    s.right()
    s.insert("EPS = 1e-5\ndef moments(x):\n    m = x.mean(0)\n    return m, ((x - m) ** 2).mean(0)")
    s.set(
        "bn",
        BN_RIGHT.replace(
            "        mean = x.mean(dim=0)\n        var = ((x - mean) ** 2).mean(dim=0)\n",
            "        mean, var = moments(x)\n",
        ),
    )


@hands_in(fair=(4, 4))
def partial_right(s: Handed) -> None:
    """batch norm right, dropout wrong"""
    s.set("bn", BN_RIGHT)


@hands_in(fair=(8, 8))
def failing_scratch_cells(s: Handed) -> None:
    """right, but scratch cells raise, ask for input(), use magics and shell"""
    s.right()
    s.insert("1 / 0")
    s.insert("name = input('who? ')")
    s.insert("%timeit -n1 -r1 sum(range(10))\n!echo hello\n%matplotlib inline")


@hands_in(fair=(8, 8))
def callable_object(s: Handed) -> None:
    """manual_batch_norm is an instance with __call__; dropout built from a base class"""
    s.right()
    s.set(
        "bn",
        "class _BN:\n"
        + "\n".join(
            "    " + l
            for l in BN_RIGHT.replace("def manual_batch_norm(x", "def __call__(self, x").split("\n")
        )
        + "\nmanual_batch_norm = _BN()",
    )


@hands_in(fair=(8, 8))
def slow(s: Handed) -> None:
    """right, 6 s of honest work in an own cell"""
    s.right()
    s.insert("import time; time.sleep(6)", after="drop")


@hands_in(fair=(8, 8))
def unicode(s: Handed) -> None:
    """right, non-ASCII identifiers, emoji, CRLF"""
    s.right()
    s.set(
        "bn",
        BN_RIGHT.replace("mean", "\u00b5")
        .replace("running_\u00b5", "running_mean")
        .replace(".\u00b5(", ".mean(")
        + "\r\n# \U0001f600 caf\u00e9",
    )
    s.set("essay", "Weil \u2192 nichts f\u00e4llt weg.")


@hands_in(fair=(0, 0))
def nothing_done(s: Handed) -> None:
    """handed in untouched (NotImplementedError everywhere)"""
    s.set(
        "bn",
        "def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):\n    # YOUR CODE HERE\n    raise NotImplementedError()",
    )
    s.set(
        "drop",
        "class InvertedDropout(nn.Module):\n    def __init__(self, p=0.5):\n        super().__init__()\n        self.p = p\n        self.mask = None\n    def forward(self, x):\n        # YOUR CODE HERE\n        raise NotImplementedError()",
    )
    s.set("essay", "YOUR ANSWER HERE")


@hands_in(fair=(4, 4))
def syntax_error(s: Handed) -> None:
    """syntax error in batch norm; dropout right"""
    s.set("drop", DR_RIGHT)
    s.set("bn", "def manual_batch_norm(x, gamma beta):\n    return x")
