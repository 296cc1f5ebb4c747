"""Uploads that nobody should send: five hundred of them, each with the answers that are right."""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from superres import images
from superres.images import Picture

ANYTHING = frozenset({200, 400, 413, 415, 422})
REFUSED = frozenset({400, 413, 415, 422})
CUTS = 16
FLIPS = 24
Codes = frozenset[int]


@dataclass(frozen=True)
class Case:
    """One request: its name, address, what httpx sends, and the statuses that are right."""

    name: str
    address: str
    sent: dict[str, Any] = field(repr=False)
    codes: Codes = REFUSED


def cases(clip: bytes) -> Iterator[Case]:
    """Yield them all; `clip` is a sound video."""
    yield from _damaged()
    yield from _claims()
    yield from _odd()
    yield from _bombs()
    yield from _forms()
    yield from _arrays()
    yield from _archives()
    yield from _videos(clip)


def _picture(name: str, content: bytes, codes: Codes = REFUSED, **params: str) -> Case:
    return Case(
        name, "/upscale", {"files": {"image": (name, content)}, "params": params}, frozenset(codes)
    )


def _sound() -> dict[str, bytes]:
    pixels = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    made = {
        name: images.encode(Picture(pixels), name) for name in sorted({*images.FORMATS.values()})
    }
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "GIF")
    return {**made, "GIF": stream.getvalue()}


def _damaged() -> Iterator[Case]:
    """Every format, cut off and with bytes changed at many places."""
    chance = random.Random(5)
    for name, content in _sound().items():
        for number in range(CUTS):
            cut = len(content) * number // CUTS
            codes = REFUSED if number < CUTS - 2 else ANYTHING  # a trailer may be missing
            yield _picture(f"{name} cut at {cut}", content[:cut], codes)
        for number in range(FLIPS):
            broken = bytearray(content)
            for _ in range(1 + number % 8):
                place = chance.randrange(min(len(broken), 80 if number % 2 else len(broken)))
                broken[place] = chance.randrange(256)
            yield _picture(f"{name} flipped {number}", bytes(broken), ANYTHING)
    yield _picture("nothing", b"", frozenset({400}))
    for number in range(16):
        yield _picture(f"chance {number}", chance.randbytes(1 << number), frozenset({415, 422}))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_claiming(width: int, height: int, *more: bytes, depth: int = 8) -> bytes:
    """Return a PNG whose header claims a size that its data do not have."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + data + _chunk(b"IEND", b"")


def _claims() -> Iterator[Case]:
    """Headers that state sizes which must not be believed."""
    sound = _sound()
    for width, height in ((65535, 65535), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (0, 0), (0, 9)):
        for depth in (8, 16):
            content = png_claiming(width, height, depth=depth)
            yield _picture(f"PNG of {width}x{height}, {depth} bits", content)
    jpeg = bytearray(sound["JPEG"])
    place = jpeg.index(b"\xff\xc0") + 5
    for side in (65535, 0):
        jpeg[place : place + 4] = struct.pack(">HH", side, side)
        yield _picture(f"JPEG of {side}", bytes(jpeg))
    bitmap = bytearray(sound["BMP"])
    for width, height in ((65535, 65535), (2**31 - 1, 1), (-1, 9), (9, -(2**31))):
        bitmap[18:26] = struct.pack("<ii", width, height)
        yield _picture(f"BMP of {width}x{height}", bytes(bitmap))
    gif = bytearray(sound["GIF"])
    gif[6:10] = struct.pack("<HH", 65535, 65535)
    yield _picture("GIF of 65535", bytes(gif))
    webp = b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + struct.pack("<I", 10)
    yield _picture("WebP of 16777216", webp + b"\0\0\0\0" + b"\xff" * 6 + b"\0" * 8)
    for tag in (256, 257, 258, 273, 277, 278, 279):
        for value in (0, 65535):
            yield _picture(f"TIFF tag {tag} = {value}", _tiff(sound["TIFF"], tag, value), ANYTHING)


def _tiff(content: bytes, tag: int, value: int) -> bytes:
    broken = bytearray(content)
    (start,) = struct.unpack_from("<I", broken, 4)
    (count,) = struct.unpack_from("<H", broken, start)
    for number in range(count):
        entry = start + 2 + 12 * number
        if struct.unpack_from("<H", broken, entry)[0] == tag:
            struct.pack_into("<HII", broken, entry + 2, 4, 1, value)
    return bytes(broken)


def _odd() -> Iterator[Case]:
    """Sound pictures of unusual shape, and files that are two things at once."""
    good = frozenset({200})
    for height, width in ((1, 1), (1, 20000), (20000, 1), (2, 3), (1, 2)):
        content = images.encode(Picture(np.full((height, width, 3), 90, np.uint8)))
        yield _picture(f"{width}x{height}", content, good)
        wide = frozenset({422}) if max(height, width) > 16000 else good
        yield _picture(f"{width}x{height} to JPEG", content, wide, format="jpg")
        yield _picture(f"{width}x{height} to WebP", content, wide, format="webp")
    sound = _sound()
    archive = _zip({"a.txt": b"a"})
    yield _picture("PNG and zip", sound["PNG"] + archive, good)
    yield _picture("JPEG and PHP", sound["JPEG"] + b"<?php system($_GET[0]); ?>", good)
    yield _picture("GIF and JavaScript", b"GIF89a/*" + b"*/=1;alert(1)//" * 9, REFUSED)
    for name, start in {
        "PDF": b"%PDF-1.7\n",
        "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "HTML": b"<!DOCTYPE html><script>alert(1)</script>",
        "program": b"MZ\x90\0",
        "ELF": b"\x7fELF\x02\x01",
        "zip": archive,
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "ICO": b"\0\0\1\0\1\0",
        "PSD": b"8BPS\0\1",
        "text": "a picture, said in words \u2603".encode(),
    }.items():
        yield _picture(name, start + b" " * 100, frozenset({415}))
    for name in ("../../x", "a\0b", "C:\\x", "x" * 500, "\u202egnp.exe", ""):
        yield Case(f"file called {name[:9]!r}", "/upscale", _named(name, sound["PNG"]), ANYTHING)
    for words in ({"format": "exe"}, {"format": "../png"}, {"format": "x" * 999}):
        yield _picture(f"words {words}"[:40], sound["PNG"], frozenset({415}), **words)
    for name in ("../champion", "/etc/passwd", "a\0b", "x" * 999, "@", "nearest@../x", "\u2603"):
        codes = frozenset({200, 404})
        yield _picture(f"model {name[:12]!r}", sound["PNG"], codes, model=name)


def _named(name: str, content: bytes) -> dict[str, Any]:
    return {"files": {"image": (name, content)}}


def _bombs() -> Iterator[Case]:
    """Small files that grow."""
    much = b"\0" * 20_000_000
    for kind in (b"iCCP", b"zTXt", b"iTXt", b"eXIf"):
        packed = b"a\0" + (b"\1\0\0\0" if kind == b"iTXt" else b"\0") + zlib.compress(much, 9)
        content = png_claiming(8, 8, _chunk(kind, packed))
        yield _picture(f"PNG with {kind.decode()}", content, ANYTHING)
    stream = io.BytesIO()
    flat = Image.new("RGB", (9000, 9000))
    flat.save(stream, "PNG")
    yield _picture("9000x9000 of nothing", stream.getvalue(), frozenset({413}))
    many = [Image.new("P", (64, 64), color) for color in range(200)]
    for kind in ("GIF", "TIFF", "WEBP", "PNG"):
        stream = io.BytesIO()
        frames = many if kind != "WEBP" else [each.convert("RGB") for each in many[:20]]
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
        yield _picture(f"{kind} of many frames", stream.getvalue(), frozenset({200}))
    text = PngImagePlugin.PngInfo()
    for number in range(2000):
        text.add_text(f"key{number}", "x" * 100)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "PNG", pnginfo=text)
    yield _picture("PNG of 2000 texts", stream.getvalue(), ANYTHING)


def _forms() -> Iterator[Case]:
    """Bodies that are no proper form."""
    sound = _sound()["PNG"]
    form = {"content-type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    for name, content in {
        "no end": part + sound,
        "no head": b"--x\r\n\r\n" + sound + b"\r\n--x--",
        "nothing": b"",
        "end only": b"--x--\r\n",
        "no line end": b"--x",
        "wrong boundary": part.replace(b"--x", b"--y") + sound + b"\r\n--y--",
        "long header": b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        "many headers": b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        "many parts": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 500
        + b"--x--",
        "two files": (part + sound + b"\r\n") * 2 + b"--x--",
        "field, no file": part.replace(b'; filename="a"', b"") + b"1\r\n--x--",
        "other name": part.replace(b"image", b"picture") + sound + b"\r\n--x--",
        "large field": part.replace(b'; filename="a"', b"") + b"1" * 100_000 + b"\r\n--x--",
        "odd name": part.replace(b"image", b"\xff\xfe\0") + sound + b"\r\n--x--",
    }.items():
        for address in ("/upscale", "/upscale_batch", "/upscale_video/submit"):
            sent = {"content": content, "headers": form}
            yield Case(f"form: {name}, {address}", address, sent, ANYTHING)
    for kind in ("", "text/plain", "multipart/form-data", "application/json", "image/png", "\xff"):
        sent = {"content": sound, "headers": {"content-type": kind.encode("latin-1")}}
        yield Case(f"type {kind!r}", "/upscale", sent, frozenset({400, 415}))


def _arrays() -> Iterator[Case]:
    """JSON that is no batch of pictures."""
    good = [[[[0.5, 0.5, 0.5]]]]
    for name, text in {
        "nothing": "",
        "NaN": json.dumps({"instances": [[[[float("nan")] * 3]]]}),
        "infinity": '{"instances": [[[[Infinity, 0, 0]]]]}',
        "1e400": '{"instances": [[[[1e400, 0, 0]]]]}',
        "large whole number": f'{{"instances": [[[[{"9" * 400}, 0, 0]]]]}}',
        "very large whole number": f'{{"instances": [[[[{"9" * 5000}, 0, 0]]]]}}',
        "deep list": "[" * 100_000,
        "deep instances": '{"instances": ' + "[" * 60_000 + "]" * 60_000 + "}",
        "deep object": '{"a":' * 50_000 + "1" + "}" * 50_000,
        "seventy deep": '{"instances": ' + "[" * 70 + "1" + "]" * 70 + "}",
        "words": '{"instances": [[[["a", "b", "c"]]]]}',
        "nulls": '{"instances": [[[[null, null, null]]]]}',
        "truths": '{"instances": [[[[true, false, true]]]]}',
        "objects": '{"instances": [[[[{}, {}, {}]]]]}',
        "object": '{"instances": {}}',
        "list": "[1, 2]",
        "number": "1",
        "null": "null",
        "ragged": '{"instances": [[[[0, 0, 0]]], [[[0, 0]]]]}',
        "empty": '{"instances": []}',
        "hollow": '{"instances": [[[[]]]]}',
        "three numbers deep": '{"instances": [[[0, 0, 0]]]}',
        "four channels": '{"instances": [[[[0, 0, 0, 0]]]]}',
        "above one": '{"instances": [[[[2, 0, 0]]]]}',
        "below zero": '{"instances": [[[[-1, 0, 0]]]]}',
        "model a number": json.dumps({"instances": good, "model": 1}),
        "model a list": json.dumps({"instances": good, "model": ["a"]}),
        "cut off": json.dumps({"instances": good})[:-9],
        "complex": '{"instances": [[[["1j", "1j", "1j"]]]]}',
    }.items():
        yield Case(f"array: {name}", "/predict", _json(text.encode()), frozenset({400, 422}))
    for name, content in {"UTF-16": "{}".encode("utf-16"), "no UTF-8": b'{"a": "\xff"}'}.items():
        yield Case(f"array: {name}", "/predict", _json(content), frozenset({400}))
    unknown = json.dumps({"instances": good, "model": "none"}).encode()
    yield Case("array: unknown model", "/predict", _json(unknown), frozenset({404}))
    wide = json.dumps({"instances": [[[[0.5] * 3] * 20_000]]}).encode()
    yield Case("array: 1x20000", "/predict", _json(wide), frozenset({200}))


def _json(content: bytes) -> dict[str, Any]:
    return {"content": content, "headers": {"content-type": "application/json"}}


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _archives() -> Iterator[Case]:
    chance = random.Random(6)
    sound = _zip({"a.png": _sound()["PNG"], "b.txt": b"text"})
    for number in range(CUTS):
        cut = len(sound) * number // CUTS
        yield _archive(f"cut at {cut}", sound[:cut], frozenset({400, 415, 422}))
    for number in range(2 * FLIPS):
        broken = bytearray(sound)
        for _ in range(1 + number % 4):
            place = chance.randrange(len(broken))
            broken[place] = chance.randrange(256)
        yield _archive(f"flipped {number}", bytes(broken), ANYTHING)
    inner = sound
    for _ in range(5):
        inner = _zip({f"{number}.zip": inner for number in range(4)})
    yield _archive("of archives", inner, frozenset({200}))
    yield _archive("bomb", _zip({"a.png": b"\0" * 40_000_000}), frozenset({200}))
    yield _archive("of 5000", _zip({f"{n}.png": b"" for n in range(5000)}), frozenset({413}))
    names = ("../a.png", "/a.png", "a\0.png", "x" * 3000 + ".png", "a/../../b.png", "con.png")
    yield _archive("bad names", _zip(dict.fromkeys(names, _sound()["PNG"])), frozenset({200}))
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield _archive(f"method {method}", _zip({"a.png": sound}, method), frozenset({200}))


def _archive(name: str, content: bytes, codes: Codes) -> Case:
    return Case(f"zip {name}", "/upscale_batch", {"files": {"archive": ("a.zip", content)}}, codes)


def _videos(clip: bytes) -> Iterator[Case]:
    chance = random.Random(7)
    for name, content in {**_sound(), "text": b"text", "nothing": b""}.items():
        if name not in ("GIF", "AVIF"):  # those may count as short films
            yield _video(name, content, REFUSED)
    for number in range(CUTS // 2):
        yield _video(f"cut {number}", clip[: len(clip) * number // (CUTS // 2)], ANYTHING)
    for number in range(FLIPS // 2):
        broken = bytearray(clip)
        for _ in range(20):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield _video(f"flipped {number}", bytes(broken), ANYTHING)


def _video(name: str, content: bytes, codes: Codes) -> Case:
    # Accepted ones wait in line, whose end is a right answer as well.
    sent = {"files": {"video": (name, content)}}
    return Case(f"video {name}", "/upscale_video/submit", sent, frozenset({*codes, 503}))
