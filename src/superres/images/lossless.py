"""PNG and TIFF writers for 1 to 4 channels of 8 or 16 bits, with profile, EXIF and text.

Pillow has no 16-bit colour and OpenCV no profiles or EXIF; both formats are zlib plus headers.
Both take the picture in strips, so a result need never be in memory as a whole.
"""

import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from superres.errors import InputError
from superres.images.picture import Pixels

# Fast; level 6 takes six times as long for a sixth less.
_LEVEL = 1
_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_EXIF_HEADER = b"Exif\0\0"
_STRIP_ROWS = 256
_BLOCK_BYTES = 1 << 20  # filtered at a time
_TIFF_MOST = 0xFFFFFFFF
_LONG = 4
_INCH_IN_METRES = 0.0254
_PER_METRE = 1  # the unit, in PNG
_PER_INCH = 2  # in TIFF


@dataclass(frozen=True)
class Header:
    """What a file says before its pixels: (height, width, channels), type, metadata."""

    shape: tuple[int, int, int]
    dtype: "np.dtype[Any]"
    icc: bytes | None = None
    exif: bytes | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    dpi: tuple[float, float] | None = None


class StripWriter(Protocol):
    """Takes a picture from the top in strips of any height."""

    def write(self, planes: Pixels) -> None:
        """Append (rows, W, channels)."""
        ...

    def close(self) -> None:
        """End the file after the last strip."""
        ...


class PngWriter:
    """A PNG whose rows are filtered "Up" (each minus the row above) and deflated."""

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        self._stream = stream
        self._deflate = zlib.compressobj(_LEVEL)
        height, width, channels = header.shape
        depth = 8 * header.dtype.itemsize
        start = struct.pack(">IIBBBBB", width, height, depth, _PNG_COLOUR_TYPES[channels], 0, 0, 0)
        chunks = [(b"IHDR", start)]
        if header.icc:
            chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(header.icc)))
        if header.exif:
            chunks.append((b"eXIf", header.exif.removeprefix(_EXIF_HEADER)))
        if header.dpi:
            across, down = (round(value / _INCH_IN_METRES) for value in header.dpi)
            chunks.append((b"pHYs", struct.pack(">IIB", across, down, _PER_METRE)))
        chunks.extend(_text_chunk(key, value) for key, value in header.text.items())
        stream.write(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
        self._above: NDArray[np.uint8] = np.zeros(width * channels * depth // 8, np.uint8)

    def write(self, planes: Pixels) -> None:
        """Append (rows, W, channels)."""
        step = max(1, _BLOCK_BYTES // max(1, planes[:1].nbytes))
        for top in range(0, len(planes), step):
            self._add(planes[top : top + step])

    def _add(self, planes: Pixels) -> None:
        rows = np.ascontiguousarray(planes.astype(planes.dtype.newbyteorder(">"))).view(np.uint8)
        rows = rows.reshape(len(planes), -1)
        filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        filtered[:, 0] = 2
        np.subtract(rows[0], self._above, out=filtered[0, 1:])
        np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
        self._above = rows[-1].copy()
        self._put(self._deflate.compress(filtered.data))

    def close(self) -> None:
        """End the file."""
        self._put(self._deflate.flush())
        self._stream.write(png_chunk(b"IEND", b""))

    def _put(self, body: bytes) -> None:
        if body:
            self._stream.write(png_chunk(b"IDAT", body))


class TiffWriter:
    """A TIFF deflated in strips with a row predictor; the stream must be able to seek."""

    def __init__(self, stream: BinaryIO, header: Header) -> None:
        self._stream = stream
        self._header = header
        self._counts: list[int] = []
        self._waiting: list[Pixels] = []
        # Sizes and places are known at the end; their tables have the same length now.
        strips = -(-header.shape[0] // _STRIP_ROWS)
        stream.write(self._tags([0] * strips))

    def write(self, planes: Pixels) -> None:
        """Append (rows, W, channels)."""
        self._waiting.append(planes)
        while sum(map(len, self._waiting)) >= _STRIP_ROWS:
            rows: Any = np.concatenate(self._waiting)
            self._put(rows[:_STRIP_ROWS])
            self._waiting = [rows[_STRIP_ROWS:]]

    def close(self) -> None:
        """Write what waits, then the tables."""
        rows: Any = np.concatenate(self._waiting)
        if len(rows):
            self._put(rows)
        if self._stream.tell() > _TIFF_MOST:
            message = "the result does not fit into a TIFF of 4 GB; write a PNG"
            raise InputError(message, code="too_many_output_pixels", status=413)
        self._stream.seek(0)
        self._stream.write(self._tags(self._counts))

    def _put(self, planes: Pixels) -> None:
        differences = planes.copy()
        np.subtract(planes[:, 1:], planes[:, :-1], out=differences[:, 1:])
        little_endian = differences.astype(planes.dtype.newbyteorder("<"))
        strip = zlib.compress(little_endian.tobytes(), _LEVEL)
        self._stream.write(strip)
        self._counts.append(len(strip))

    def _tags(self, counts: list[int]) -> bytes:
        height, width, channels = self._header.shape
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        if self._header.exif:
            described = Image.Exif()
            described.load(self._header.exif)
            for tag, value in described.items():
                tags[tag] = described.get_ifd(tag) or value
        tags[TiffImagePlugin.IMAGEWIDTH] = width
        tags[TiffImagePlugin.IMAGELENGTH] = height
        tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * self._header.dtype.itemsize,) * channels
        tags[TiffImagePlugin.COMPRESSION] = 8
        tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1 if channels < 3 else 2
        tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
        tags[TiffImagePlugin.ROWSPERSTRIP] = min(height, _STRIP_ROWS)
        # Pillow adds the place where the tables end to every offset.
        offsets = tuple(sum(counts[:index]) for index in range(len(counts)))
        for tag, values in ((TiffImagePlugin.STRIPOFFSETS, offsets), (_COUNTS, tuple(counts))):
            tags.tagtype[tag] = _LONG
            tags[tag] = values
        tags[TiffImagePlugin.PREDICTOR] = 2
        if self._header.dpi:
            tags[TiffImagePlugin.X_RESOLUTION], tags[TiffImagePlugin.Y_RESOLUTION] = (
                self._header.dpi
            )
            tags[TiffImagePlugin.RESOLUTION_UNIT] = _PER_INCH
        if channels in (2, 4):
            tags[TiffImagePlugin.EXTRASAMPLES] = (2,)
        if self._header.icc:
            tags.tagtype[TiffImagePlugin.ICCPROFILE] = 7
            tags[TiffImagePlugin.ICCPROFILE] = self._header.icc
        file = io.BytesIO()
        tags.save(file)
        return file.getvalue()


_COUNTS = TiffImagePlugin.STRIPBYTECOUNTS
WRITERS: Mapping[str, type[PngWriter] | type[TiffWriter]] = {"PNG": PngWriter, "TIFF": TiffWriter}


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return a PNG chunk: length, kind, body, checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text_chunk(key: str, value: str) -> tuple[bytes, bytes]:
    keyword = key.encode("latin-1", "replace")[:79] + b"\0"
    try:
        return b"tEXt", keyword + value.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", keyword + b"\0\0\0\0" + value.encode()
