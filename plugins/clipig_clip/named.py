"""Models that are downloaded at their first use."""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path

import torch
from tqdm import tqdm

from clipig_clip.encoder import ClipEncoder, clip, rebuild
from clipig_core import RunError
from clipig_core.kit import FetchError, fetch

MAX_BYTES = 4_000_000_000
MAX_SECONDS = 24 * 3600.0


def named(name: str, device: torch.device, dtype: torch.dtype) -> ClipEncoder:
    """A CLIP model published by OpenAI (Radford et al. 2021), kept in ~/.cache/clip.

    Raises:
        RunError: it is not there and cannot be downloaded, or the file there is not this model.
    """
    path = locate(name)
    with warnings.catch_warnings(action="ignore"):  # TorchScript is deprecated, but it is what was published
        archive = torch.jit.load(str(path), map_location="cpu")
    return ClipEncoder(rebuild(archive.state_dict(), name), device, dtype)


def locate(name: str) -> Path:
    """The verified file of a model, downloaded if it is not there."""
    url = clip.clip._MODELS[name]
    sha256 = url.split("/")[-2]
    path = Path.home() / ".cache" / "clip" / url.rsplit("/", 1)[-1]
    if not path.exists():
        _download(name, url, sha256, path)
    elif _sha256(path) != sha256:
        raise RunError(f"'{path}' is not the model {name} (its SHA-256 differs); delete it to download it again")
    return path


def _download(name: str, url: str, sha256: str, path: Path) -> None:
    bar = tqdm(desc=f"downloading {name}", unit="B", unit_scale=True, disable=not sys.stderr.isatty())

    def progress(done: int, total: int) -> None:
        bar.total = total or None
        bar.update(done - bar.n)

    try:
        with bar:
            fetch(
                url,
                path,
                max_bytes=MAX_BYTES,
                max_seconds=MAX_SECONDS,
                sha256=sha256,
                progress=progress,
                trusted=True,
            )
    except FetchError as error:
        raise RunError(
            f"cannot download the model {name}: {error}\n"
            f"  Put the file by hand as {path}\n"
            f"  from {url},\n"
            "  or use '--model emoji', which comes with clipig and needs no download."
        ) from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
