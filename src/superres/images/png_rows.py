"""A large PNG in strips, without the picture ever being in memory as a whole.

No library at hand decodes a PNG by rows. A PNG's rows are filtered against the row above, so a
strip of the inflated stream becomes a small PNG of its own when the last row before it is put in
front, unfiltered: that is what the ordinary decoder is given.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from superres.errors import InputError
from superres.images.decoding import check_claim, decode
from superres.images.lossless import png_chunk
from superres.images.picture import Picture, Pixels

STRIP_BYTES = 2 << 20
READ_BYTES = 1 << 18
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
# Grey and RGB, with and without alpha; palettes and colour keys are read whole.
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_KEPT = (b"iCCP", b"eXIf", b"pHYs")
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class StripPng:
    """An open-and-shut view of a PNG of grey or RGB, 8 or 16 bits, upright, not interlaced.

    `like`: its first row with everything a Picture carries (profile, EXIF, resolution, grey, depth,
    alpha).
    """

    path: Path
    height: int
    width: int
    like: Picture
    header: bytes
    spans: tuple[tuple[int, int], ...]

    def strips(self) -> Iterator[Pixels]:
        """Yield (rows, W, 3), or 4 with alpha, from the top; InputError when it is damaged."""
        length = self._row_bytes
        rows = max(1, STRIP_BYTES // length)
        above = b""
        done = 0
        try:
            for filtered in self._inflated(length * rows):
                count = len(filtered) // length
                first = b"" if not above else b"\0" + above
                strip = _planes(decode(self._small_png(first + filtered)))[bool(above) :]
                above = self._packed(strip[-1])
                done += count
                yield strip
        except (OSError, zlib.error, struct.error) as error:
            raise _damaged(self.path, str(error)) from error
        if done != self.height:
            raise _damaged(self.path, f"it ends at row {done} of {self.height}")

    @property
    def _channels(self) -> list[int]:
        """Which of red, green, blue and alpha the file has."""
        colour = [0] if self.like.grey else [0, 1, 2]
        return colour if self.like.alpha is None else [*colour, 3]

    @property
    def _row_bytes(self) -> int:
        return 1 + self.width * len(self._channels) * self.like.bit_depth // 8

    def _packed(self, row: Pixels) -> bytes:
        channels = row[:, self._channels]
        return channels.astype(channels.dtype.newbyteorder(">")).tobytes()

    def _small_png(self, filtered: bytes) -> bytes:
        return _png(self.header, len(filtered) // self._row_bytes, filtered, b"")

    def _inflated(self, size: int) -> Iterator[bytes]:
        """Yield whole rows of filtered bytes, at most `size` bytes at a time."""
        length, left = self._row_bytes, self._row_bytes * self.height
        inflate = zlib.decompressobj()
        kept = bytearray()
        with self.path.open("rb") as stream:
            for block in _blocks(stream, self.spans):
                while block and left > len(kept):
                    kept += inflate.decompress(block, min(size, left) - len(kept))
                    block = inflate.unconsumed_tail
                    whole = len(kept) // length * length
                    # The last rows wait until all checksums are known to be right.
                    if len(kept) >= size and left > whole:
                        yield bytes(kept[:whole])
                        left -= whole
                        del kept[:whole]
        if whole := len(kept) // length * length:
            yield bytes(kept[:whole])


def open_strips(path: Path) -> StripPng | None:
    """Open a PNG that can be read in strips; None for any other file.

    Raises InputError for a PNG that is damaged or claims more than its bytes can hold.
    """
    with path.open("rb") as stream:
        if stream.read(8) != _SIGNATURE:
            return None
        try:
            header, kept, spans = _scan(stream)
            width, height, depth, colour, _, _, interlaced = _HEADER.unpack(header)
        except (struct.error, ValueError) as error:
            raise _damaged(path, str(error)) from error
    check_claim(width, height, path.stat().st_size)
    simple = depth in (8, 16) and colour in _CHANNELS and not interlaced and width * height
    if not simple or b"tRNS" in kept or _turned(kept):
        return None
    blank = bytes(1 + width * _CHANNELS[colour] * depth // 8)
    chunks = b"".join(png_chunk(kind, kept[kind]) for kind in _KEPT if kind in kept)
    like = decode(_png(header, 1, blank, chunks))
    return StripPng(path, height, width, like, header, spans)


def _planes(picture: Picture) -> Pixels:
    if picture.alpha is None:
        return picture.pixels
    return np.concatenate([picture.pixels, picture.alpha[..., None]], axis=2)


def _scan(stream: BinaryIO) -> tuple[bytes, dict[bytes, bytes], tuple[tuple[int, int], ...]]:
    """Return the header, the chunks of interest and where the pixels are."""
    kept: dict[bytes, bytes] = {}
    spans = []
    while True:
        length, kind = struct.unpack(">I4s", stream.read(8))
        if kind == b"IEND":
            break
        if kind == b"IDAT":
            spans.append((stream.tell(), length))
            stream.seek(length, 1)
        else:
            kept[kind] = stream.read(length)
        if len(stream.read(4)) != 4:
            raise ValueError("it ends within a chunk")
    return kept.pop(b"IHDR", b""), kept, tuple(spans)


def _blocks(stream: BinaryIO, spans: tuple[tuple[int, int], ...]) -> Iterator[bytes]:
    for start, length in spans:
        stream.seek(start)
        check = zlib.crc32(b"IDAT")
        while length:
            block = stream.read(min(length, READ_BYTES))
            if not block:
                raise zlib.error("it ends within a chunk")
            length -= len(block)
            check = zlib.crc32(block, check)
            yield block
        if struct.unpack(">I", stream.read(4))[0] != check:
            raise zlib.error("a checksum is wrong")


def _turned(kept: dict[bytes, bytes]) -> bool:
    """Tell whether EXIF turns the picture, or is in an old form that only Pillow reads."""
    if any(kept.get(kind, b"").startswith(b"Raw profile") for kind in (b"zTXt", b"tEXt", b"iTXt")):
        return True
    if b"eXIf" not in kept:
        return False
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + kept[b"eXIf"])
        return bool(exif.get(_ORIENTATION, 1) != 1)
    except Exception:  # damaged metadata is the ordinary decoder's to judge
        return True


def _png(header: bytes, height: int, filtered: bytes, chunks: bytes) -> bytes:
    width, _, *rest = _HEADER.unpack(header)
    start = png_chunk(b"IHDR", _HEADER.pack(width, height, *rest))
    pixels = png_chunk(b"IDAT", zlib.compress(filtered, 0))
    return _SIGNATURE + start + chunks + pixels + png_chunk(b"IEND", b"")


def _damaged(path: Path, reason: str) -> InputError:
    message = f"{path}: the PNG file is damaged or truncated: {reason}"
    return InputError(message, code="corrupt_image", status=422)
