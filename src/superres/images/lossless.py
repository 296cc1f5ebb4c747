"""PNG and TIFF writers for 1 to 4 channels of 8 or 16 bits, with profile, EXIF and text.

Pillow has no 16-bit colour and OpenCV no profiles or EXIF; both formats are zlib plus headers.
"""

import io
import struct
import zlib
from collections.abc import Mapping

import numpy as np
from PIL import Image, TiffImagePlugin

from superres.images.picture import Pixels

# Fast; level 6 takes six times as long for a sixth less.
_LEVEL = 1
_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_EXIF_HEADER = b"Exif\0\0"


def png(planes: Pixels, icc: bytes | None, exif: bytes | None, text: Mapping[str, str]) -> bytes:
    """Encode (H, W, 1..4) grey, grey + alpha, RGB or RGBA."""
    height, width, channels = planes.shape
    depth = 8 * planes.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, depth, _PNG_COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(_EXIF_HEADER)))
    chunks.extend(_text_chunk(key, value) for key, value in text.items())
    chunks.extend([(b"IDAT", _png_rows(planes)), (b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(kind, body) for kind, body in chunks)


def tiff(planes: Pixels, icc: bytes | None, exif: bytes | None) -> bytes:
    """Encode (H, W, 1..4) grey, grey + alpha, RGB or RGBA, deflated with a row predictor."""
    height, width, channels = planes.shape
    differences = planes.copy()
    np.subtract(planes[:, 1:], planes[:, :-1], out=differences[:, 1:])
    little_endian = differences.astype(planes.dtype.newbyteorder("<"))
    strip = zlib.compress(little_endian.tobytes(), _LEVEL)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if exif:
        described = Image.Exif()
        described.load(exif)
        for tag, value in described.items():
            tags[tag] = described.get_ifd(tag) or value
    tags[TiffImagePlugin.IMAGEWIDTH] = width
    tags[TiffImagePlugin.IMAGELENGTH] = height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * planes.dtype.itemsize,) * channels
    tags[TiffImagePlugin.COMPRESSION] = 8
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 1 if channels < 3 else 2
    tags[TiffImagePlugin.STRIPOFFSETS] = 0
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    tags[TiffImagePlugin.ROWSPERSTRIP] = height
    tags[TiffImagePlugin.STRIPBYTECOUNTS] = len(strip)
    tags[TiffImagePlugin.PREDICTOR] = 2
    if channels in (2, 4):
        tags[TiffImagePlugin.EXTRASAMPLES] = (2,)
    if icc:
        tags.tagtype[TiffImagePlugin.ICCPROFILE] = 7
        tags[TiffImagePlugin.ICCPROFILE] = icc
    file = io.BytesIO()
    tags.save(file)
    return file.getvalue() + strip


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png_rows(planes: Pixels) -> bytes:
    """Filter "Up" on every row (each minus the row above), deflated."""
    rows = planes.astype(planes.dtype.newbyteorder(">")).view(np.uint8)
    rows = rows.reshape(planes.shape[0], -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return zlib.compress(filtered.data, _LEVEL)


def _text_chunk(key: str, value: str) -> tuple[bytes, bytes]:
    keyword = key.encode("latin-1", "replace")[:79] + b"\0"
    try:
        return b"tEXt", keyword + value.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", keyword + b"\0\0\0\0" + value.encode()
