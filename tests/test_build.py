"""Building: source/ and release/ from the exercise files, byte for byte, and nothing else."""

import json
from pathlib import Path

import nbformat
import pytest
from conftest import edit
from nbgrader.utils import compute_checksum

from autograder.authoring.build import build
from autograder.authoring.course import AuthorError
from autograder.authoring.notebook import stub


def tree(root: Path) -> dict[str, bytes]:
    """Every generated file below a course."""
    folders = (root / "source", root / "release")
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_course_is_built_whole(small_course: Path) -> None:
    written = build(small_course)
    assert sorted(tree(small_course)) == [
        "release/01_means/01_rms.ipynb",
        "release/01_means/90_quiz.ipynb",
        "source/01_means/01_rms.ipynb",
        "source/01_means/90_quiz.ipynb",
    ]
    assert len(written) == 4
    assert not (small_course / "gradebook.db").exists()


def test_two_builds_in_two_folders_are_equal_to_the_byte(
    small_course: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    (other / "solutions").mkdir()
    for path in (small_course / "solutions").rglob("*.py"):
        copy = other / path.relative_to(small_course)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    build(small_course)
    build(other)
    first = tree(small_course)
    assert first == tree(other)
    build(small_course)
    assert first == tree(small_course)


def test_what_no_longer_belongs_is_removed(small_course: Path, quiz_file: Path) -> None:
    build(small_course)
    quiz_file.unlink()
    old = small_course / "source/09_gone/01_old.ipynb"
    old.parent.mkdir()
    old.write_text("{}")
    build(small_course)
    assert {Path(name).name for name in tree(small_course)} == {"01_rms.ipynb"}
    assert not old.parent.exists()


def test_one_exercise_is_built_without_touching_other_sources(small_course: Path) -> None:
    build(small_course)
    quiz = small_course / "source/01_means/90_quiz.ipynb"
    before = quiz.stat().st_mtime_ns
    build(small_course, "01_means/01_rms")
    assert quiz.stat().st_mtime_ns == before
    assert len(tree(small_course)) == 4


def test_a_reference_that_fails_its_own_checks_is_refused(
    small_course: Path, exercise_file: Path
) -> None:
    edit(exercise_file, "return x.square().mean().sqrt()", "return x.square().mean()")
    with pytest.raises(AuthorError) as caught:
        build(small_course)
    assert "01_rms.py" in caught.value.where
    assert "wanted" in caught.value.found
    assert "python " in caught.value.then
    assert tree(small_course) == {}


def test_the_release_has_stubs_and_no_hidden_check(small_course: Path) -> None:
    build(small_course)
    text = (small_course / "release/01_means/01_rms.ipynb").read_text("utf-8")
    assert "`rms` is not written yet" in text
    assert "square().mean()" not in text
    assert "BEGIN" not in text
    assert "Hidden check, 2 points: it is the root of the mean of the squares" in text
    quiz = (small_course / "release/01_means/90_quiz.ipynb").read_text("utf-8")
    assert "mean_and_outlier = ..." in quiz
    assert "hundredth of an error without bounds" not in quiz


def test_the_release_is_what_our_stubs_make_of_the_source(small_course: Path) -> None:
    build(small_course)
    for name in ("01_rms", "90_quiz"):
        source = nbformat.read(small_course / f"source/01_means/{name}.ipynb", as_version=4)
        released = nbformat.read(small_course / f"release/01_means/{name}.ipynb", as_version=4)
        assert [c.id for c in source.cells] == [c.id for c in released.cells]
        for ours, theirs in zip(source.cells, released.cells, strict=True):
            marks = ours.metadata.get("nbgrader", {})
            if marks.get("solution"):
                assert theirs.source == stub(ours.source)
            if marks:
                assert theirs.metadata.nbgrader.checksum == compute_checksum(theirs)
                assert theirs.metadata.deletable is False
            if marks and not marks.solution:
                assert theirs.metadata.editable is False


def test_notebooks_end_with_a_line_and_hold_no_output(small_course: Path) -> None:
    build(small_course)
    for name, data in tree(small_course).items():
        assert data.endswith(b"}\n"), name
        cells = json.loads(data)["cells"]
        assert all(
            not c["outputs"] and c["execution_count"] is None for c in cells if "outputs" in c
        )
