"""Exercise files run as scripts, each in a process of its own forked from one that has torch."""

import contextlib
import multiprocessing
import os
import runpy
import sys
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["torch", "matplotlib.pyplot", "autograder.expect"])


def error_of(path: Path, folder: Path) -> str:
    """The traceback that ends a script, warnings counting as errors; empty if it runs through."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_run, args=(path, folder, theirs))
    process.start()
    theirs.close()
    error = ""
    with contextlib.suppress(EOFError):
        error = ours.recv()
    process.join()
    return error or (f"it ended with {process.exitcode}" if process.exitcode else "")


def _run(path: Path, folder: Path, told: Connection) -> None:
    os.chdir(folder)
    sys.argv = [str(path)]
    warnings.simplefilter("error")
    try:
        runpy.run_path(str(path), run_name="__main__")
    except BaseException:
        told.send(traceback.format_exc())
