"""The data sets: what they hold, where they may come from, and what is refused."""

import ast
import gzip
import hashlib
import io
import lzma
import math
import pickle
import random
import re
import struct
import sys
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autograder import datasets
from autograder.datasets import (
    BUNDLED,
    CARDINALITIES,
    DENSE_FEATURES,
    EMBEDDING_DIM,
    DataError,
    cifar10,
    credit_scoring,
    mnist,
    stream_rec,
)

SEEDS = st.integers(0, 2**32 - 1)
MNIST_TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR_TRAIN = [f"data_batch_{i}" for i in range(1, 6)]


@pytest.fixture(autouse=True)
def no_folder_named_and_nothing_said(monkeypatch):
    monkeypatch.delenv("TRAINING_DATA", raising=False)
    monkeypatch.setattr(datasets, "_announced", set())


# --- the bundled subsets


@pytest.mark.parametrize("wanted", [datasets._MNIST, datasets._CIFAR10], ids=lambda s: s.title)
def test_every_checksum_is_the_one_in_the_notice(wanted):
    notice = (BUNDLED / "NOTICE.md").read_text(encoding="utf-8")
    files = [wanted.subset, *(f for layout in wanted.full for f in layout.train + layout.test)]
    assert [file.name for file in files if file.digest not in notice] == []
    assert len({file.digest for file in files}) == len(files)


# The digests were taken after comparing every picture with the full set, which itself had the
# published checksums; a Pillow that decodes one pixel differently changes them.
@pytest.mark.parametrize(
    ("load", "train", "shape", "pixels"),
    [
        (mnist, True, (10_000, 28, 28), "3c2bcc25a2c61358"),
        (mnist, False, (2_000, 28, 28), "7ff63845f4ce689d"),
        (cifar10, True, (4_000, 3, 32, 32), "29e0acfc7477e6a6"),
        (cifar10, False, (1_000, 3, 32, 32), "35b7581b2897aade"),
    ],
)
def test_the_bundled_subset_is_exact_and_balanced(load, train, shape, pixels):
    data = load(train)
    assert data.images.shape == shape
    assert data.images.dtype == torch.uint8
    assert data.labels.dtype == torch.int64
    assert data.labels.bincount().tolist() == [shape[0] // 10] * 10
    assert hashlib.sha256(data.images.numpy().tobytes()).hexdigest()[:16] == pixels
    assert len(data) == shape[0]


def test_the_bundled_labels_are_those_of_the_original_files():
    # The originals begin 5 0 4 1 9 2 1 3 1 4 and 6 9 9 4 1 1 2 7; the subsets hold their
    # pictures 6, 7 and 3.
    assert mnist().labels[:2].tolist() == [1, 3]
    assert cifar10().labels[:1].tolist() == [4]


def test_floats_are_in_the_unit_interval():
    digits = mnist(train=False)
    floats = digits.floats()
    assert (floats.min(), floats.max()) == (0, 1)
    assert torch.equal((floats * 255).round().byte(), digits.images)


@pytest.mark.parametrize("load", [mnist, cifar10])
def test_normalised_floats_have_mean_0_and_std_1_in_each_channel(load):
    pixels = load().floats(normalised=True)
    channels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels
    # The constants are those of the full set; the subset's own differ by less than 0.02.
    assert channels.mean((0, 2, 3)).abs().max() < 0.02
    assert (channels.std((0, 2, 3)) - 1).abs().max() < 0.02


def test_the_source_is_said_once_and_kept(capsys):
    first, again = mnist(), mnist()
    assert first.source == again.source == "MNIST, bundled subset of 10,000 training digits"
    assert capsys.readouterr().out == f"Using {first.source}.\n"
    assert first.name == "mnist-training-10000"
    assert cifar10(train=False).source == "CIFAR-10, bundled subset of 1,000 test images"


def test_loaded_data_is_frozen():
    digits = mnist(train=False)
    with pytest.raises(FrozenInstanceError):
        digits.source = "elsewhere"


def test_a_damaged_subset_is_refused(monkeypatch, tmp_path):
    content = bytearray((BUNDLED / "mnist_10k_2k.npz").read_bytes())
    content[1_000] ^= 1
    (tmp_path / "mnist_10k_2k.npz").write_bytes(content)
    monkeypatch.setattr(datasets, "BUNDLED", tmp_path)
    with pytest.raises(DataError, match=r"found: +SHA256"):
        mnist()


def test_without_pillow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    datasets._decoded.cache_clear()
    assert len(mnist(train=False)) == 2_000
    with pytest.raises(ImportError, match="install Pillow"):
        cifar10(train=False)


def test_who_changes_a_picture_changes_nobody_else_s():
    cifar10(train=False).images.zero_()
    assert cifar10(train=False).images.any()


def test_only_numpy_and_torch_are_needed_to_import_the_module():
    tree = ast.parse(Path(datasets.__file__).read_text(encoding="utf-8"))
    names = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    names |= {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert {n.split(".")[0] for n in names} - set(sys.stdlib_module_names) == {"numpy", "torch"}


# --- full sets, made up and very small


def trust(monkeypatch, contents: dict[str, bytes]) -> None:
    """Let these contents count as the published ones."""

    def known(file):
        if file.name not in contents:
            return file
        content = contents[file.name]
        size = None if file.size is None else len(content)
        digest = hashlib.new(file.algorithm, content, usedforsecurity=False).hexdigest()
        return replace(file, digest=digest, size=size)

    for name in ("_MNIST", "_CIFAR10"):
        wanted = getattr(datasets, name)
        full = [
            replace(
                layout,
                train=tuple(known(file) for file in layout.train),
                test=tuple(known(file) for file in layout.test),
            )
            for layout in wanted.full
        ]
        monkeypatch.setattr(datasets, name, replace(wanted, full=tuple(full)))


def write(folder: Path, contents: dict[str, bytes], end: str = "") -> Path:
    compress: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        ".gz": gzip.compress,
        ".xz": lzma.compress,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / (name + end)).write_bytes(compress[end](content))
    return folder


def pictures(n: int, *shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Any `n` pictures and labels; with 7 of them no two parts look alike."""
    drawn = np.random.default_rng(n)
    images = drawn.integers(0, 256, (n, *shape), dtype=np.uint8)
    return images, drawn.integers(0, 10, n, dtype=np.uint8)


def idx_files(images: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    # 2051 and 2049 are the format's magic numbers for three dimensions and for one.
    headers = struct.pack(">4i", 2051, len(images), 28, 28), struct.pack(">2i", 2049, len(labels))
    contents = headers[0] + images.tobytes(), headers[1] + labels.tobytes()
    return dict(zip(MNIST_TEST, contents, strict=True))


def batch(images: np.ndarray, labels: np.ndarray) -> bytes:
    """A batch as Python 2 pickled it, written out opcode by opcode."""
    size, data = struct.pack("<H", len(images)), images.tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    bytes_ = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + b"J\xff\xff\xff\xff" * 2
    state = b"(K\x01M" + size + b"M\x00\x0c\x86" + bytes_ + b"K\x00tb\x89T"
    return (
        b"\x80\x02}(U\x06labels](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
        b"U\x04data" + array + state + struct.pack("<I", len(data)) + data + b"tb"
        b"U\x09filenames](U\x07cat.pngeu."
    )


@pytest.fixture
def digits(monkeypatch):
    images, labels = pictures(7, 28, 28)
    contents = idx_files(images, labels)
    trust(monkeypatch, contents)
    return images, labels, contents


@pytest.mark.parametrize("end", ["", ".gz", ".xz"])
@pytest.mark.parametrize("below", ["", "MNIST/raw", "mnist"])
def test_idx_files_are_read_plain_or_compressed(digits, tmp_path, end, below):
    images, labels, contents = digits
    write(tmp_path / below, contents, end)
    data = mnist(train=False, root=tmp_path)
    assert np.array_equal(data.images, images)
    assert data.labels.tolist() == labels.tolist()
    assert data.source == f"MNIST, full set of 7 test digits from {tmp_path}"
    assert data.name == "mnist-test-7"


@given(st.binary(min_size=28 * 28, max_size=28 * 28), st.integers(0, 9))
def test_idx_decoding_gives_every_byte_back(picture, label):
    image = np.frombuffer(picture, np.uint8).reshape(1, 28, 28)
    contents = idx_files(image, np.array([label], np.uint8))
    images, labels = datasets._idx(list(contents.values()))
    assert images.numpy().tobytes() == picture
    assert labels.tolist() == [label]


@pytest.mark.parametrize("below", ["", "cifar-10-batches-py"])
def test_cifar_pickles_are_read_in_order(monkeypatch, tmp_path, below):
    parts = [pictures(n, 3, 32, 32) for n in range(1, 6)]
    contents = {name: batch(*part) for name, part in zip(CIFAR_TRAIN, parts, strict=True)}
    trust(monkeypatch, contents)
    write(tmp_path / below, contents)
    data = cifar10(root=tmp_path)
    assert np.array_equal(data.images, np.concatenate([images for images, _ in parts]))
    assert data.labels.tolist() == np.concatenate([labels for _, labels in parts]).tolist()


def test_the_made_up_batch_is_what_numpy_itself_reads():
    images, labels = pictures(7, 3, 32, 32)
    with warnings.catch_warnings():
        # NumPy has moved the names that the old pickles use, and says so.
        warnings.simplefilter("ignore")
        read = pickle.loads(batch(images, labels), encoding="bytes")
    assert np.array_equal(read[b"data"].ravel(), images.ravel())
    assert read[b"labels"] == labels.tolist()


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_cifar_records_are_read(monkeypatch, tmp_path, below):
    images, labels = pictures(7, 3, 32, 32)
    records = np.hstack([labels[:, None], images.reshape(7, -1)])
    contents = {"test_batch.bin": records.tobytes()}
    trust(monkeypatch, contents)
    write(tmp_path / below, contents)
    data = cifar10(train=False, root=tmp_path)
    assert np.array_equal(data.images, images)
    assert data.labels.tolist() == labels.tolist()


def test_the_environment_may_name_the_folder(digits, monkeypatch, tmp_path):
    write(tmp_path, digits[2])
    monkeypatch.setenv("TRAINING_DATA", str(tmp_path))
    assert len(mnist(train=False)) == 7
    assert len(mnist(train=False, root=BUNDLED)) == 2_000
    assert (
        cifar10(train=False).source
        == f"CIFAR-10, bundled subset of 1,000 test images (none in {tmp_path})"
    )


def test_no_folder_is_searched_unasked(digits, monkeypatch, tmp_path):
    write(tmp_path, digits[2])
    write(tmp_path / "data", digits[2])
    monkeypatch.chdir(tmp_path)
    assert len(mnist(train=False)) == 2_000


def test_a_folder_without_the_set_is_an_error_that_names_the_files(tmp_path):
    with pytest.raises(DataError) as caught:
        mnist(train=False, root=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}\n"
        "  found:    no file of MNIST\n"
        "  expected: a folder with t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte\n"
        "  next:     unpack the original files there, or name no folder (`root`, TRAINING_DATA)"
        " and use the bundled subset"
    )


def test_a_folder_that_does_not_exist_is_an_error(monkeypatch, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        cifar10(root=tmp_path / "nowhere")
    monkeypatch.setenv("TRAINING_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="no such folder"):
        mnist()


def test_half_a_set_is_an_error_that_names_the_other_half(digits, tmp_path):
    name, content = next(iter(digits[2].items()))
    write(tmp_path, {name: content})
    with pytest.raises(DataError, match=re.escape(str(tmp_path / MNIST_TEST[1]))) as caught:
        mnist(train=False, root=tmp_path)
    assert "no such file" in str(caught.value)


@pytest.mark.parametrize("end", ["", ".gz", ".xz"])
def test_a_wrong_checksum_says_what_was_found_and_expected(digits, tmp_path, end):
    images, _, contents = digits
    images[3, 3, 3] ^= 1
    changed = {**contents, MNIST_TEST[0]: contents[MNIST_TEST[0]][:16] + images.tobytes()}
    write(tmp_path, changed, end)
    published, ours = (hashlib.sha256(c[MNIST_TEST[0]]).hexdigest() for c in (contents, changed))
    with pytest.raises(DataError) as caught:
        mnist(train=False, root=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path / MNIST_TEST[0]}{end}\n"
        f"  found:    SHA256 {ours} (5,504 bytes)\n"
        f"  expected: SHA256 {published}\n"
        "  next:     download or copy the file again; it must be the original one"
    )


def test_a_truncated_file_says_how_long_it_should_be(digits, tmp_path):
    contents = {name: content[:-1] for name, content in digits[2].items()}
    write(tmp_path, contents)
    # A header of 16 bytes and 7 pictures of 784.
    with pytest.raises(DataError, match=r"5,503 bytes: the file is cut short\n.*: 5,504 bytes"):
        mnist(train=False, root=tmp_path)


@pytest.mark.parametrize("end", [".gz", ".xz"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_truncated_archive_is_named(digits, tmp_path, end, kept):
    write(tmp_path, digits[2], end)
    path = tmp_path / (MNIST_TEST[0] + end)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(DataError, match="cut short") as caught:
        mnist(train=False, root=tmp_path)
    assert path.name in str(caught.value)


@pytest.mark.parametrize("end", [".gz", ".xz"])
def test_something_else_under_an_archive_name_is_named(digits, tmp_path, end):
    write(tmp_path, {name + end: b"<!DOCTYPE html>" for name in digits[2]})
    with pytest.raises(DataError, match="cut short or damaged"):
        mnist(train=False, root=tmp_path)


# --- pickles that do more than hold data


def called(module: str, name: str, argument: str) -> bytes:
    return f"\x80\x02c{module}\n{name}\n(V{argument}\ntR.".encode("latin-1")


def test_a_pickle_is_not_opened_before_its_checksum_is_right(tmp_path):
    attack = called("os", "system", f"touch {tmp_path / 'harm'}")
    write(tmp_path, {"test_batch": attack})
    with pytest.raises(DataError, match=r"found: +MD5"):
        cifar10(train=False, root=tmp_path)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("module", ["os", "posix", "subprocess", "builtins", "numpy"])
def test_a_pickle_that_would_run_code_is_refused(monkeypatch, tmp_path, module):
    name = {"subprocess": "getoutput", "builtins": "eval", "numpy": "load"}.get(module, "system")
    attack = called(module, name, f"touch {tmp_path / 'harm'}")
    trust(monkeypatch, {"test_batch": attack})
    write(tmp_path, {"test_batch": attack})
    with pytest.raises(pickle.UnpicklingError, match=f"{module}.{name} has no place in a CIFAR-10"):
        cifar10(train=False, root=tmp_path)
    assert not (tmp_path / "harm").exists()


@given(st.from_regex(r"[a-z_.]{1,20}", fullmatch=True), st.from_regex(r"\w{1,20}", fullmatch=True))
def test_a_pickle_gets_no_object_but_an_inert_one(module, name):
    unpickler = datasets._Unpickler(io.BytesIO())
    assume(f"{module}.{name}" not in unpickler.NAMES)
    with pytest.raises(pickle.UnpicklingError):
        unpickler.find_class(module, name)


def test_the_names_a_batch_needs_are_inert_too():
    for path in datasets._Unpickler.NAMES:
        module, _, name = path.rpartition(".")
        made = datasets._Unpickler(io.BytesIO(called(module, name, "harm"))).load()
        assert vars(made) == {"arguments": ("harm",)}


# --- synthetic sets


def same(one: object, other: object) -> bool:
    return all(torch.equal(a, vars(other)[name]) for name, a in vars(one).items())


@given(SEEDS)
@settings(max_examples=10)
def test_the_same_seed_draws_the_same_and_another_seed_does_not(seed):
    for draw in (stream_rec, credit_scoring):
        assert same(draw(50, seed), draw(50, seed))
        assert not same(draw(50, seed), draw(50, seed ^ 1))


def test_no_global_generator_is_touched():
    def states():
        return torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())

    before = states()
    stream_rec(10, seed=0)
    credit_scoring(10, seed=0)
    mnist(train=False).floats()
    assert states() == before


def test_stream_rec_has_the_sizes_of_the_course():
    data = stream_rec(3_000, seed=1)
    assert data.categories.shape == (3_000, 8)
    assert data.categories.dtype == torch.int64
    assert data.dense.shape == (3_000, 13)
    assert data.dense.dtype == data.labels.dtype == torch.float32
    assert set(data.labels.tolist()) == {0.0, 1.0}
    assert (data.categories >= 0).all()
    assert (data.categories < torch.tensor(CARDINALITIES)).all()
    # A category of 10 is absent from 3,000 draws with a chance below 10 * 0.9^3000 < 1e-136.
    assert len(data.categories[:, 6].unique()) == 10


def test_the_stream_rec_network_has_107729_parameters():
    widths = [len(CARDINALITIES) * EMBEDDING_DIM + DENSE_FEATURES, 256, 128, 64, 1]
    linear = sum((i + 1) * o for i, o in pairwise(widths))
    assert widths[0] == 141
    assert linear + EMBEDDING_DIM * sum(CARDINALITIES) == 107_729


def auc(scores: torch.Tensor, labels: torch.Tensor) -> float:
    """The chance that a 1 outranks a 0."""
    ranks = scores.argsort().argsort().double() + 1
    ones = labels.sum().item()
    return (ranks[labels == 1].sum().item() - ones * (ones + 1) / 2) / (ones * (len(labels) - ones))


@given(SEEDS)
@settings(max_examples=3, deadline=None)
def test_a_quarter_of_stream_rec_is_clicks_and_they_can_be_predicted(seed):
    data = stream_rec(20_000, seed)
    # 0.254 is expected with a standard deviation of 0.0031: 0.2 and 0.3 are 14 of them away.
    assert 0.2 < data.labels.mean() < 0.3
    # Their standard errors are 0.011 and 0.0075; 0.07 is more than 6 of either.
    assert abs(data.logits.mean() + 1.5) < 0.07
    assert abs(data.logits.std() - 1.5) < 0.07
    # 0.82 is expected with a standard deviation below 0.004: 0.77 is 12 of them away.
    assert auc(data.logits, data.labels) > 0.77


def test_stream_rec_draws_share_their_teacher():
    train, test = stream_rec(20_000, seed=0), stream_rec(20_000, seed=1)
    columns = [torch.cat([d.dense, torch.ones(20_000, 1)], 1) for d in (train, test)]
    weights = torch.linalg.lstsq(columns[0], train.labels[:, None]).solution
    # The dense half alone ranks clicks with an AUC near 0.71 (standard deviation 0.004); under
    # a teacher of its own the test draw would give about 0.5 or as often less.
    assert auc((columns[1] @ weights)[:, 0], test.labels) > 0.67


def test_credit_columns_are_in_the_order_said():
    data = credit_scoring(4, seed=0)
    assert data.features.shape == (4, 20)
    assert data.labels.shape == (4,)
    expected = [0.3] * 5 + [0.3, -0.475, 0.65, -0.825, 1.0] + [0.0] * 10
    # Even steps from 0.3 to 1.0 round in the last digit or so.
    assert data.weights.tolist() == pytest.approx(expected, abs=1e-15)
    assert {t.dtype for t in vars(data).values()} == {torch.float64}


@pytest.mark.parametrize(
    ("correlated", "informative", "noise"), [(5, 5, 10), (0, 10, 10), (5, 0, 0), (0, 1, 0)]
)
def test_credit_takes_any_mix_of_columns(correlated, informative, noise):
    mix = {"correlated": correlated, "informative": informative, "noise": noise}
    data = credit_scoring(60, seed=0, **mix)
    assert data.features.shape == (60, sum(mix.values()))
    assert (data.weights != 0).sum() == correlated + informative


@given(SEEDS)
@settings(max_examples=10)
def test_every_pair_of_the_correlated_columns_is_above_0_9(seed):
    seen = torch.corrcoef(credit_scoring(2_000, seed).features.T)
    # On Fisher's scale 0.95 and 0.9 are 16 standard deviations of 1/sqrt(1997) apart.
    assert seen[:5, :5].min() > 0.9
    # 0.16 is 7 standard deviations: 180 other pairs exceed it with a chance below 1e-9.
    rest = seen - torch.eye(20, dtype=seen.dtype)
    rest[:5, :5] = 0
    assert rest.abs().max() < 0.16


@given(SEEDS, st.sampled_from([0.0, 0.5, 0.98]))
@settings(max_examples=6)
def test_credit_columns_have_the_correlation_asked_for_and_variance_1(seed, rho):
    features = credit_scoring(20_000, seed, rho=rho).features
    seen = torch.corrcoef(features[:, :2].T)[0, 1]
    # Fisher's scale again; 6 standard deviations are exceeded with a chance of 2e-9.
    assert abs(seen.atanh() - math.atanh(rho)) < 6 / (20_000 - 3) ** 0.5
    # The variance of n normals has standard deviation sqrt(2 / n); 20 columns at 7: below 1e-10.
    assert (features.var(0) - 1).abs().max() < 7 * (2 / 20_000) ** 0.5


@given(SEEDS)
@settings(max_examples=5)
def test_credit_labels_follow_the_weights(seed):
    data = credit_scoring(20_000, seed)
    residual = data.labels - data.logits.sigmoid()
    # At the true weights the likelihood's gradient is 0 on average. Each of its 20 entries has
    # a standard deviation below 0.5 / sqrt(n); one exceeds 7 of them with a chance below 1e-10.
    gradient = data.features.T @ residual / len(residual)
    assert gradient.abs().max() < 7 * 0.5 / 20_000**0.5
    assert auc(data.logits, data.labels) > 0.8


def test_a_float32_credit_set_is_the_float64_one_rounded():
    exact, rounded = credit_scoring(100, seed=3), credit_scoring(100, seed=3, dtype=torch.float32)
    assert torch.equal(rounded.features, exact.features.float())
    assert torch.equal(rounded.labels, exact.labels.float())
    assert rounded.weights.dtype == torch.float32


@pytest.mark.parametrize("rho", [-0.1, 1.5, float("nan")])
def test_a_correlation_that_cannot_be_is_refused(rho):
    with pytest.raises(ValueError, match="a correlation from 0 to 1"):
        credit_scoring(10, seed=0, rho=rho)
