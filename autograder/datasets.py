"""The course's data: two real sets of pictures, and two synthetic ones of any size.

    from autograder.datasets import mnist, cifar10, stream_rec, credit_scoring
    digits = mnist(train=True)      # prints: Using MNIST, bundled subset of 10,000 training digits.
    digits.images, digits.labels    # uint8 (10000, 28, 28), int64 (10000,)

`mnist` and `cifar10` read the small subsets in `data/`, unless a folder that holds the full set
is given: as `root`, or for a whole session in the environment variable TRAINING_DATA. No folder
is searched unasked, so a notebook gives the same numbers wherever it runs. A graded cell says
`root=BUNDLED`, and then not even TRAINING_DATA changes it.

Every file is compared with its published checksum (see `data/NOTICE.md`) before it is decoded.
"""

import gzip
import hashlib
import io
import lzma
import math
import os
import pickle
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

BUNDLED = Path(__file__).parent / "data"


class DataError(Exception):
    """A data file is missing or is not the one it should be."""

    def __init__(self, file: Path, *, found: str, expected: str, then: str) -> None:
        super().__init__(f"{file}\n  found:    {found}\n  expected: {expected}\n  next:     {then}")


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled pictures as bytes, and where they came from."""

    name: str
    source: str
    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def floats(self, *, normalised: bool = False) -> Tensor:
        """The images in [0, 1]; `normalised` to mean 0 and std 1 of the full training set."""
        pixels = self.images.float() / 255
        if not normalised:
            return pixels
        return (pixels - _per_channel(self.mean)) / _per_channel(self.std)


def mnist(train: bool = True, root: str | Path | None = None) -> Images:
    """Handwritten digits, 28 x 28."""
    return _load(_MNIST, train, root)


def cifar10(train: bool = True, root: str | Path | None = None) -> Images:
    """Colour photographs of ten kinds of things, 3 x 32 x 32."""
    return _load(_CIFAR10, train, root)


@dataclass(frozen=True)
class _File:
    """A published file; the checksum is that of its content, uncompressed."""

    name: str
    algorithm: str
    digest: str
    size: int | None = None


@dataclass(frozen=True)
class _Layout:
    """One form in which a full set is passed around: where its files lie, and how to read them."""

    folders: tuple[str, ...]
    train: tuple[_File, ...]
    test: tuple[_File, ...]
    decode: Callable[[list[bytes]], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _Set:
    title: str
    things: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    full: tuple[_Layout, ...]
    subset: _File


_announced: set[str] = set()


def _load(wanted: _Set, train: bool, root: str | Path | None) -> Images:
    asked = root if root is not None else os.environ.get("TRAINING_DATA") or BUNDLED
    folder = Path(asked).expanduser()
    split = "training" if train else "test"
    if read := _read_full(wanted, train, folder):
        kind, origin = "full set", f" from {folder}"
    elif folder.is_dir() and (root is None or folder == BUNDLED):
        # TRAINING_DATA serves both sets; its owner may have only one of them.
        read = _read_subset(wanted, train)
        kind, origin = "bundled subset", "" if folder == BUNDLED else f" (none in {folder})"
    else:
        raise DataError(
            folder,
            found=f"no file of {wanted.title}" if folder.is_dir() else "no such folder",
            expected="a folder with " + " or ".join(_names(wanted, train)),
            then="unpack the original files there, or name no folder (`root`, TRAINING_DATA)"
            " and use the bundled subset",
        )
    images, labels = read
    source = f"{wanted.title}, {kind} of {len(labels):,} {split} {wanted.things}{origin}"
    if source not in _announced:
        _announced.add(source)
        print(f"Using {source}.")
    name = f"{wanted.title.lower()}-{split}-{len(labels)}"
    return Images(name, source, images, labels.long(), wanted.mean, wanted.std)


def _read_full(wanted: _Set, train: bool, root: Path) -> tuple[Tensor, Tensor] | None:
    """The first layout with a file in `root`, which then must be whole; None without any."""
    for layout in wanted.full:
        files = layout.train if train else layout.test
        for folder in (root / below for below in layout.folders):
            if any(_on_disk(folder / file.name) for file in files):
                return layout.decode([_read(folder / file.name, file) for file in files])
    return None


def _read_subset(wanted: _Set, train: bool) -> tuple[Tensor, Tensor]:
    """Copies, for whoever asks to change; half a second of decoding is spent once."""
    images, labels = _decoded(BUNDLED, wanted.subset, train)
    return images.clone(), labels.clone()


@cache
def _decoded(folder: Path, file: _File, train: bool) -> tuple[Tensor, Tensor]:
    part = "train" if train else "test"
    content = _read(folder / file.name, file)
    with np.load(io.BytesIO(content)) as stored:
        labels = torch.from_numpy(stored[f"y_{part}"])
        if f"{part}_webp" in stored:
            return _tiles(stored[f"{part}_webp"].tobytes())[: len(labels)], labels
        return torch.from_numpy(stored[f"x_{part}"]), labels


def _names(wanted: _Set, train: bool) -> Iterable[str]:
    for layout in wanted.full:
        files = layout.train if train else layout.test
        yield ", ".join(file.name for file in files)


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
}


def _on_disk(path: Path) -> Path | None:
    """The file, plain or else compressed."""
    names = (path.name + end for end in ("", *_DECOMPRESS))
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _read(path: Path, wanted: _File) -> bytes:
    """The content, uncompressed, once its checksum is right."""
    found = _on_disk(path)
    expected = f"{wanted.algorithm.upper()} {wanted.digest}"
    if found is None:
        raise DataError(
            path,
            found="no such file",
            expected="every file of the set in one folder, plain or as .gz or .xz",
            then="copy it there from where the others come from",
        )
    again = "download or copy the file again; it must be the original one"
    content = found.read_bytes()
    try:
        if found.suffix in _DECOMPRESS:
            content = _DECOMPRESS[found.suffix](content)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        broken = f"compressed data that is cut short or damaged ({error})"
        raise DataError(found, found=broken, expected=expected, then=again) from error
    if wanted.size is not None and len(content) < wanted.size:
        short = f"{len(content):,} bytes: the file is cut short"
        raise DataError(found, found=short, expected=f"{wanted.size:,} bytes", then=again)
    # Not for secrets: MD5 and SHA-1 are what the set's author published.
    digest = hashlib.new(wanted.algorithm, content, usedforsecurity=False).hexdigest()
    if digest != wanted.digest:
        other = f"{wanted.algorithm.upper()} {digest} ({len(content):,} bytes)"
        raise DataError(found, found=other, expected=expected, then=again)
    return content


# Checksums come first, so the decoders may trust what they are given.


def _bytes(content: bytes, start: int = 0) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start)


def _idx(contents: list[bytes]) -> tuple[Tensor, Tensor]:
    # The headers: a magic number and one number for each dimension, of 4 bytes each.
    images, labels = contents
    return _bytes(images, start=16).reshape(-1, 28, 28), _bytes(labels, start=8)


def _records(contents: list[bytes]) -> tuple[Tensor, Tensor]:
    # A record is a label and 1,024 bytes each of red, green and blue.
    records = _bytes(b"".join(contents)).reshape(-1, 1 + 3 * 32 * 32)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]


def _batches(contents: list[bytes]) -> tuple[Tensor, Tensor]:
    # The fifth part of an array's pickled state is its content.
    batches = [_Unpickler(io.BytesIO(c), encoding="bytes").load() for c in contents]
    images = _bytes(b"".join(batch[b"data"].state[4] for batch in batches))
    labels = [label for batch in batches for label in batch[b"labels"]]
    return images.reshape(-1, 3, 32, 32), torch.tensor(labels)


class _Inert:
    """Stands in for all a pickle may name; keeps what it is given and does nothing."""

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments

    def __setstate__(self, state: tuple[object, ...]) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Reads the CIFAR-10 batches: an array, a list and strings, and never runs code."""

    NAMES = ("numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype")

    def find_class(self, module: str, name: str) -> type[_Inert]:
        if f"{module}.{name}" not in self.NAMES:
            raise pickle.UnpicklingError(
                f"{module}.{name} has no place in a CIFAR-10 batch; the file was not read"
            )
        return _Inert


def _tiles(picture: bytes) -> Tensor:
    """Cut a mosaic of 32 x 32 tiles, row by row."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("CIFAR-10 is stored as WebP: install Pillow to read it") from error
    mosaic = torch.from_numpy(np.array(Image.open(io.BytesIO(picture)).convert("RGB")))
    rows, columns = mosaic.shape[0] // 32, mosaic.shape[1] // 32
    tiles = mosaic.reshape(rows, 32, columns, 32, 3).permute(0, 2, 4, 1, 3)
    return tiles.reshape(-1, 3, 32, 32)


def _record_file(stem: str, digest: str) -> _File:
    return _File(f"{stem}.bin", "sha1", digest, size=10_000 * (1 + 3 * 32 * 32))


def _per_channel(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).reshape(-1, 1, 1)


_MNIST = _Set(
    "MNIST",
    "digits",
    mean=(0.1307,),
    std=(0.3081,),
    full=(
        _Layout(
            # Plain, as torchvision downloads it, and as people rename it.
            folders=("", "MNIST/raw", "MNIST", "mnist"),
            train=(
                _File(
                    "train-images-idx3-ubyte",
                    "sha256",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    size=16 + 60_000 * 28 * 28,
                ),
                _File(
                    "train-labels-idx1-ubyte",
                    "sha256",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    size=8 + 60_000,
                ),
            ),
            test=(
                _File(
                    "t10k-images-idx3-ubyte",
                    "sha256",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    size=16 + 10_000 * 28 * 28,
                ),
                _File(
                    "t10k-labels-idx1-ubyte",
                    "sha256",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                    size=8 + 10_000,
                ),
            ),
            decode=_idx,
        ),
    ),
    subset=_File(
        "mnist_10k_2k.npz",
        "sha256",
        "c34c49f1c299e2309b99a74a4195c309d7ed34ff9f147e4bac2f94e0e7783014",
    ),
)

_CIFAR10 = _Set(
    "CIFAR-10",
    "images",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    full=(
        _Layout(
            folders=("cifar-10-batches-py", ""),
            train=(
                _File("data_batch_1", "md5", "c99cafc152244af753f735de768cd75f"),
                _File("data_batch_2", "md5", "d4bba439e000b95fd0a9bffe97cbabec"),
                _File("data_batch_3", "md5", "54ebc095f3ab1f0389bbae665268c751"),
                _File("data_batch_4", "md5", "634d18415352ddfa80567beed471001a"),
                _File("data_batch_5", "md5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            ),
            test=(_File("test_batch", "md5", "40351d587109b95175f43aff81a1287e"),),
            decode=_batches,
        ),
        _Layout(
            folders=("cifar-10-batches-bin", ""),
            train=(
                _record_file("data_batch_1", "aadd24acce27caa71bf4b10992e9e7b2d74c2540"),
                _record_file("data_batch_2", "c0ba65cce70568cd57b4e03e9ac8d2a5367c1795"),
                _record_file("data_batch_3", "1dd00a74ab1d17a6e7d73e185b69dbf31242f295"),
                _record_file("data_batch_4", "aab85764eb3584312d3c7f65fd2fd016e36a258e"),
                _record_file("data_batch_5", "26e2849e66a845b7f1e4614ae70f4889ae604628"),
            ),
            test=(_record_file("test_batch", "67eb016db431130d61cd03c7ad570b013799c88c"),),
            decode=_records,
        ),
    ),
    subset=_File(
        "cifar10_4k_1k_webp.npz",
        "sha256",
        "150dcba8fbabe396eb52186bb351760ad5b1fc8533b4da2d5f171d835d8350bd",
    ),
)


# StreamRec: will this viewer click on this item? The sizes are the course's own; the MLP
# 141 -> 256 -> 128 -> 64 -> 1 on 8 embeddings and the dense features has 107,729 parameters.
CARDINALITIES = (1000, 500, 200, 100, 50, 20, 10, 5)
EMBEDDING_DIM = 16
DENSE_FEATURES = 13


@dataclass(frozen=True, eq=False)
class StreamRec:
    """Impressions: int64 (n, 8), float32 (n, 13), and float32 labels (n,), 1 for a click."""

    categories: Tensor
    dense: Tensor
    labels: Tensor

    @property
    def logits(self) -> Tensor:
        """The true log-odds of a click, which no model can beat."""
        return _click_logits(self.categories, self.dense)


def stream_rec(n: int, seed: int) -> StreamRec:
    """Draw `n` impressions. Every seed asks the same teacher, so draws can train and test."""
    random = torch.Generator().manual_seed(seed)
    categories = torch.stack(
        [torch.randint(size, (n,), generator=random) for size in CARDINALITIES], dim=1
    )
    dense = torch.randn(n, DENSE_FEATURES, generator=random)
    clicked = torch.rand(n, generator=random) < _click_logits(categories, dense).sigmoid()
    return StreamRec(categories, dense, clicked.float())


def _click_logits(categories: Tensor, dense: Tensor) -> Tensor:
    tables, weights = _click_teacher()
    effects = torch.stack([t[c] for t, c in zip(tables, categories.T, strict=True)]).sum(0)
    # -1.5 with a standard deviation of 1.5 (1.06 from each half) makes about 25 % clicks, and
    # lets the true log-odds rank clicks with an AUC of about 0.82.
    return 1.06 * (effects + (dense * weights).sum(1)) - 1.5


@cache
def _click_teacher() -> tuple[list[Tensor], Tensor]:
    """An effect of each category and a weight of each dense feature; each half has variance 1."""
    # Nobody's data seed: a draw with the teacher's own seed would share its numbers.
    random = torch.Generator().manual_seed(719_719_719)
    tables = []
    for size in CARDINALITIES:
        table = torch.randn(size, generator=random)
        table = (table - table.mean()) / table.std(correction=0)
        tables.append(table / math.sqrt(len(CARDINALITIES)))
    weights = torch.randn(DENSE_FEATURES, generator=random)
    return tables, weights / weights.norm()


@dataclass(frozen=True, eq=False)
class Credit:
    """Applicants (n, d), labels (n,) of 0 and 1, and the weights (d,) that drew them."""

    features: Tensor
    labels: Tensor
    weights: Tensor

    @property
    def logits(self) -> Tensor:
        """The true log-odds of label 1."""
        return self.features @ self.weights


def credit_scoring(
    n: int,
    seed: int,
    *,
    correlated: int = 5,
    informative: int = 5,
    noise: int = 10,
    rho: float = 0.95,
    dtype: torch.dtype = torch.float64,
) -> Credit:
    """Draw `n` applicants; the columns are correlated, informative and noise, in that order.

    Each column is standard normal. Two `correlated` ones have correlation `rho` and weigh 0.3
    each; the `informative` ones are independent and weigh 0.3 to 1.0 in even steps, with
    changing signs; `noise` weighs nothing. There is no intercept: half the labels are 1.
    The weights do not depend on the seed, so draws can train and test.
    """
    if not 0 <= rho <= 1:
        raise ValueError(f"rho is {rho}; one shared factor gives a correlation from 0 to 1")
    random = torch.Generator().manual_seed(seed)
    # Drawn in float64 whatever the dtype: a float32 set is the float64 one, rounded.
    shared = torch.randn(n, 1, generator=random, dtype=torch.float64)
    features = torch.randn(
        n, correlated + informative + noise, generator=random, dtype=shared.dtype
    )
    features[:, :correlated] *= math.sqrt(1 - rho)
    features[:, :correlated] += math.sqrt(rho) * shared
    signs = 1 - 2 * (torch.arange(informative) % 2)
    weights = torch.zeros(features.shape[1], dtype=torch.float64)
    weights[:correlated] = 0.3
    sizes = torch.linspace(0.3, 1, informative, dtype=torch.float64)
    weights[correlated : correlated + informative] = signs * sizes
    chance = (features @ weights).sigmoid()
    labels = torch.rand(n, generator=random, dtype=torch.float64) < chance
    return Credit(features.to(dtype), labels.to(dtype), weights.to(dtype))
