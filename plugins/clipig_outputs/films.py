"""Moving pictures as files that grow frame by frame: WebP, GIF and AVIF by Pillow, MP4 and WebM by PyAV.

A film is given frames of one size, each with the second from which on it is shown, and is told when the last one ends.
Nothing but the frame at hand is kept in memory. Frames of WebP, GIF, MP4 and WebM are in the file as soon as they can
be, so that a film whose process is killed, or whose disk is full, can be played as far as it goes. An AVIF is encoded
from a spool in the end.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import struct
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from clipig_core.kit import comment, exif

BT709, LIMITED = 1, 1
"""As the tables of H.273 number them, and FFmpeg does: matrix, primaries and curve; a range of 16 to 235."""

CONTAINERS: Mapping[str, dict[str, str]] = {
    "mp4": {"movflags": "hybrid_fragmented"},
    "webm": {"cluster_time_limit": "1000"},
}
CODECS: Mapping[str, Mapping[str, Callable[[int], dict[str, str]]]] = {
    "mp4": {
        "libx264": lambda quality: {"crf": f"{36 - quality / 5:.0f}", "rc-lookahead": "10"},
        "libopenh264": lambda quality: {"qmax": f"{51 - quality * 0.3:.0f}"},
    },
    "webm": {
        "libvpx-vp9": lambda quality: _vpx(quality) | {"b": "0", "cpu-used": "4"},
        "libvpx": lambda quality: _vpx(quality) | {"b": "10M", "cpu-used": "4"},
    },
}
"""The encoders for a container, the better one first, and what they are told of a quality from 0 to 100."""


class Film(Protocol):
    """A moving picture that is being written."""

    def add(self, frame: Image.Image, at: float) -> None:
        """Show a frame from this second on.

        Raises:
            OSError: it cannot be written. The film can still be ended, and has the frames before.
        """

    def end(self, at: float) -> None:
        """Show the last frame until this second, and finish the file."""


class Stills:
    """A container of pictures that are encoded one by one, each with the time for which it is shown."""

    def __init__(self, path: Path, ticks: int) -> None:
        self.file: IO[bytes] = path.open("xb", buffering=0)  # what is written is there, also if we are killed
        self.ticks = ticks
        self._held: tuple[bytes, float] | None = None
        self._whole = 0

    def add(self, frame: Image.Image, at: float) -> None:
        self._show_held(at)
        self._held = (self.encoded(frame), at)

    def end(self, at: float) -> None:
        with self.file:
            self._show_held(at)
            self._append(self.tail())

    def encoded(self, frame: Image.Image) -> bytes:
        """A frame, without the time for which it is shown."""
        raise NotImplementedError

    def part(self, frame: bytes, duration: int) -> bytes:
        """A frame as it stands in the file, shown for so many ticks."""
        raise NotImplementedError

    def tail(self) -> bytes:
        """What stands behind the frames."""
        raise NotImplementedError

    def _show_held(self, until: float) -> None:
        if self._held:
            (frame, at), self._held = self._held, None
            self._append(self.part(frame, max(1, round(until * self.ticks) - round(at * self.ticks))))

    def _append(self, part: bytes) -> None:
        """Write a part whole or not at all."""
        view = memoryview(part)
        try:
            while view:
                view = view[self.file.write(view) :]
        except OSError:
            self.file.seek(self._whole)
            self.file.truncate()
            raise
        self._whole += len(part)


class WebP(Stills):
    """An animated WebP: https://developers.google.com/speed/webp/docs/riff_container."""

    def __init__(self, path: Path, size: tuple[int, int], quality: int, text: str) -> None:
        super().__init__(path, ticks=1000)
        self.size, self.quality, self.text = size, quality, text
        self._append(b"RIFF" + struct.pack("<I", 0) + b"WEBP" + self._header() + _chunk(b"ANIM", bytes(6)))

    def encoded(self, frame: Image.Image) -> bytes:
        file = io.BytesIO()
        frame.save(file, "WEBP", quality=self.quality, method=2)  # a third of the time of 4, and 5 % more bytes
        return file.getvalue()[12:]  # behind RIFF, size, WEBP

    def part(self, frame: bytes, duration: int) -> bytes:
        do_not_blend = b"\x02"
        place = _int24(0) + _int24(0) + _int24(self.size[0] - 1) + _int24(self.size[1] - 1)
        return _chunk(b"ANMF", place + _int24(duration) + do_not_blend + frame)

    def tail(self) -> bytes:
        return _chunk(b"EXIF", exif(self.text))

    def _header(self) -> bytes:
        animated, with_exif = 0x02, 0x08
        canvas = _int24(self.size[0] - 1) + _int24(self.size[1] - 1)
        return _chunk(b"VP8X", bytes([animated | with_exif, 0, 0, 0]) + canvas)

    def _append(self, part: bytes) -> None:
        super()._append(part)
        self.file.seek(4)
        self.file.write(struct.pack("<I", self._whole - 8))
        self.file.seek(self._whole)


class Gif(Stills):
    """An animated GIF, each frame with 256 colours of its own: https://www.w3.org/Graphics/GIF/spec-gif89a.txt."""

    def __init__(self, path: Path, size: tuple[int, int], text: str) -> None:
        super().__init__(path, ticks=100)
        forever = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
        about = comment(text)
        blocks = (about[start : start + 255] for start in range(0, len(about), 255))
        spoken = b"\x21\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"
        head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x70, 0, 0) + forever
        self._append(head + spoken)

    def encoded(self, frame: Image.Image) -> bytes:
        """The image block of the GIF that Pillow makes of a frame, with the table of colours before its pixels."""
        file = io.BytesIO()
        frame.quantize(256, Image.Quantize.FASTOCTREE).save(file, "GIF", interlace=0)
        gif = file.getvalue()
        bits = gif[10] & 7
        start = 13 + (6 << bits)
        colors, block = gif[13:start], gif[gif.index(b"\x2c", start) :]
        return block[:9] + bytes([0x80 | bits]) + colors + block[10:-1]

    def part(self, frame: bytes, duration: int) -> bytes:
        return b"\x21\xf9\x04\x04" + struct.pack("<H", min(duration, 0xFFFF)) + b"\x00\x00" + frame

    def tail(self) -> bytes:
        return b";"


class Stream:
    """An MP4 or a WebM by PyAV, in fragments of a second, so that it can be played as far as it was written."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float, quality: int, text: str) -> None:
        import av

        kind = path.suffix[1:]
        codec = next(codec for codec in CODECS[kind] if _has_codec(codec))
        path.touch(exist_ok=False)  # as PyAV replaces what is there
        self.container: Any = av.open(str(path), "w", format=kind, options=CONTAINERS[kind] | {"flush_packets": "1"})
        self.container.metadata["comment"] = text
        stream: Any = self.container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = (side + side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = CODECS[kind][codec](quality)
        context.time_base = self.tick = Fraction(1, 1000)
        context.gop_size = max(1, round(fps))
        context.max_b_frames = 0  # they would make a fragmented film begin late
        context.thread_count = 1  # the other cores are the run's
        context.color_range = LIMITED
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self.stream = stream
        self.shown = 1 / fps
        self._last: tuple[Image.Image, float] | None = None

    def add(self, frame: Image.Image, at: float) -> None:
        import av

        odd = ((0, frame.height % 2), (0, frame.width % 2), (0, 0))
        even = np.pad(np.asarray(frame), odd, mode="edge")
        picture = av.VideoFrame.from_ndarray(even, "rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)
        picture.colorspace, picture.color_range = BT709, LIMITED
        picture.pts, picture.time_base = round(at / self.tick), self.tick
        self.container.mux(self.stream.encode(picture))
        self._last = (frame, at)

    def end(self, at: float) -> None:
        try:
            if self._last and at - self.shown > self._last[1]:
                self.add(self._last[0], at - self.shown)  # a film ends where its last frame does
            self.container.mux(self.stream.encode(None))
        finally:
            self.container.close()


class Avif:
    """An animated AVIF. Pillow encodes it as a whole, so its frames wait in a spool."""

    def __init__(self, path: Path, quality: int, text: str) -> None:
        self.path, self.quality, self.text = path, quality, text
        self.spool = Spool(path.parent)

    def add(self, frame: Image.Image, at: float) -> None:
        self.spool.add(frame, at)

    def end(self, at: float) -> None:
        with contextlib.closing(self.spool):
            times = [round(1000 * time) for time in (*self.spool.times, at)]
            lasting = [max(1, end - start) for start, end in itertools.pairwise(times)]
            encoded = io.BytesIO()
            self.spool.frame(0).save(
                encoded,
                "AVIF",
                save_all=True,
                append_images=[_Rest(self.spool)] if len(lasting) > 1 else [],
                duration=lasting,
                quality=self.quality,
                exif=exif(self.text),
            )
        with self.path.open("xb") as file:  # the place of the spool is free by now
            file.write(encoded.getbuffer())


class Spool:
    """Frames on disk, without loss, in a file that has no name and is gone with the process."""

    def __init__(self, folder: Path) -> None:
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - close() closes it
        self.times: list[float] = []
        self._starts = [0]

    def add(self, frame: Image.Image, at: float) -> None:
        """Raises OSError if the disk is full; the frames before are still there."""
        self.file.seek(self._starts[-1])
        frame.save(self.file, "PNG", compress_level=1)
        self.file.flush()
        self._starts.append(self.file.tell())
        self.times.append(at)

    def frame(self, number: int) -> Image.Image:
        start, end = self._starts[number : number + 2]
        self.file.seek(start)
        return Image.open(io.BytesIO(self.file.read(end - start)))

    def close(self) -> None:
        self.file.close()


class _Rest:
    """All frames of a spool but the first, as Pillow asks for them when it saves several."""

    mode = "RGB"

    def __init__(self, spool: Spool) -> None:
        self.spool = spool

    def seek(self, position: int) -> None:
        if position + 1 >= len(self.spool.times):
            raise EOFError
        self.frame = self.spool.frame(position + 1)
        self.size = self.frame.size

    def tobytes(self, *how: str) -> bytes:
        return self.frame.tobytes(*how)


def open_film(path: Path, size: tuple[int, int], fps: float, quality: int, text: str) -> Film:
    """A new film, of a kind that its suffix says; `text` goes inside."""
    if path.suffix == ".webp":
        return WebP(path, size, quality, text)
    if path.suffix == ".gif":
        return Gif(path, size, text)
    if path.suffix == ".avif":
        return Avif(path, quality, text)
    return Stream(path, size, fps, quality, text)


def lacking(format: str) -> str:
    """What is missing for writing films of a format, or for pictures; empty if nothing is."""
    if format in CODECS:
        return _lacking_codec(format)
    known = Image.SAVE_ALL if format in ("webp", "avif") else Image.SAVE
    Image.init()
    return "" if format.upper() in known else f"this build of Pillow writes no {format}"


def _lacking_codec(container: str) -> str:
    try:
        import av
    except ImportError:
        return f"{container} needs PyAV: pip install 'clipig[video]'"
    if any(_has_codec(codec) for codec in CODECS[container]):
        return ""
    return f"this build of PyAV {av.__version__} has none of the encoders {', '.join(CODECS[container])}"


def _has_codec(name: str) -> bool:
    import av

    try:
        return bool(av.codec.Codec(name, "w"))
    except ValueError:
        return False


def _vpx(quality: int) -> dict[str, str]:
    return {"crf": f"{55 - quality * 0.3:.0f}", "deadline": "good", "lag-in-frames": "8"}


def _chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF file."""
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _int24(number: int) -> bytes:
    return number.to_bytes(3, "little")
