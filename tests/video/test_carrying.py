"""What is not pixels comes over from the source: chapters, fonts, marks, colours, shape."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from films import clip, flat, packets

from superres import video
from superres.video import Part, VideoOptions

CHAPTERS = [("Begin", 0, 120), ("Middle", 120, 300), ("End", 300, 402)]


def remuxed(path: Path, plain: Path, **facts: Any) -> Path:
    """Copy a clip with chapters, a font, and marks on its sound."""
    with av.open(str(plain)) as given, av.open(str(path), "w") as container:
        targets = {s.index: container.add_stream_from_template(s) for s in given.streams}
        for stream in container.streams.audio:
            stream.metadata.update(facts.get("sound", {}))
            stream.disposition = facts.get("disposition", 0)
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": end,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, (title, start, end) in enumerate(facts.get("chapters", []))
            ]
        )
        if "font" in facts:
            container.add_attachment("a.ttf", "application/x-truetype-font", facts["font"])
        for packet in given.demux():
            if packet.pts is not None:
                packet.stream = targets[packet.stream_index]
                container.mux(packet)
    return path


def chapters(path: Path) -> list[tuple[str, float, float]]:
    with av.open(str(path)) as container:
        return [
            (
                c["metadata"]["title"],
                float(c["start"] * c["time_base"]),
                float(c["end"] * c["time_base"]),
            )
            for c in container.chapters()
        ]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov"])
def test_chapters_are_carried(tmp_path: Path, suffix: str) -> None:
    source = remuxed(tmp_path / "s.mkv", clip(tmp_path / "p.mkv"), chapters=CHAPTERS)
    copy = tmp_path / f"copy{suffix}"
    video.write(copy, video.read(source), source=source)
    found = chapters(copy)
    assert [title for title, *_ in found] == ["Begin", "Middle", "End"]
    for (_, start, end), (_, begun, ended) in zip(found, CHAPTERS, strict=True):
        assert (start, end) == pytest.approx((begun / 1000, ended / 1000), abs=0.001)


def test_chapters_of_a_part_are_those_within(tmp_path: Path) -> None:
    source = remuxed(tmp_path / "s.mkv", clip(tmp_path / "p.mkv"), chapters=CHAPTERS)
    options = VideoOptions(start=0.15, duration=0.2)
    frames = video.read(source, part=Part(0.15, 0.2))
    video.write(tmp_path / "cut.mkv", frames, source=source, options=options)
    found = chapters(tmp_path / "cut.mkv")
    assert [title for title, *_ in found] == ["Middle", "End"]
    assert found[0][1:] == pytest.approx((0, 0.15), abs=0.001)
    assert found[1][1:] == pytest.approx((0.15, 0.2), abs=0.001)


def test_fonts_and_the_marks_of_sound_are_carried(tmp_path: Path) -> None:
    forced = av.stream.Disposition.forced
    source = remuxed(
        tmp_path / "s.mkv",
        clip(tmp_path / "p.mkv", audio="aac"),
        font=b"no real font",
        sound={"language": "deu", "title": "Kommentar"},
        disposition=forced,
    )
    copy = tmp_path / "copy.mkv"
    video.write(copy, video.read(source), source=source)
    with av.open(str(copy)) as container:
        (sound,) = container.streams.audio
        assert (sound.metadata["language"], sound.metadata["title"]) == ("deu", "Kommentar")
        assert sound.disposition & forced
        (font,) = [s for s in container.streams if s.type == "attachment"]
        assert font.data == b"no real font"
    assert packets(copy) == packets(source) != []


def covered(path: Path, plain: Path) -> bytes:
    """Copy a clip with a cover picture, whose bytes are returned."""
    attached = av.stream.Disposition.attached_pic
    with av.open(str(plain)) as given, av.open(str(path), "w") as container:
        target = container.add_stream_from_template(given.streams.video[0])
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = attached
        picture = av.VideoFrame.from_ndarray(flat(0), "rgb24").reformat(format="yuvj420p")
        made = [*cover.encode(picture), *cover.encode(None)]
        for packet in given.demux(video=0):
            if packet.pts is not None:
                packet.stream = target
                container.mux(packet)
        container.mux(made)
    return bytes(made[0])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cover_is_carried_and_never_taken_for_the_film(tmp_path: Path, suffix: str) -> None:
    source, again = tmp_path / "s.mp4", tmp_path / f"again{suffix}"
    content = covered(source, clip(tmp_path / "p.mp4"))
    copy = tmp_path / f"copy{suffix}"
    video.write(copy, video.read(source), source=source)
    video.write(again, video.read(copy), source=copy)  # now also out of that container
    for path in (copy, again):
        assert video.probe(path).streams == 1
        with av.open(str(path)) as container:
            cover = container.streams.video[1]
            assert cover.disposition & av.stream.Disposition.attached_pic
            assert bytes(next(container.demux(cover))) == content
        assert len(list(video.read(path))) == 8


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9"])
@pytest.mark.parametrize(
    ("matrix", "full_range", "primaries", "transfer"),
    [(1, False, 1, 1), (6, False, 6, 6), (5, True, 5, 6), (9, False, 9, 14)],
)
def test_the_sources_colours_are_kept_and_stated(
    tmp_path: Path, codec: Any, matrix: int, full_range: bool, primaries: int, transfer: int
) -> None:
    source, copy = tmp_path / "s.mkv", tmp_path / "copy.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, 2 if full_range else 1
        context.color_primaries, context.color_trc = primaries, transfer
        picture = av.VideoFrame.from_ndarray(flat(0, 64), "rgb24").reformat(
            format="yuv420p", dst_colorspace=matrix, dst_color_range=2 if full_range else 1
        )
        container.mux([*stream.encode(picture), *stream.encode(None)])
    video.write(copy, video.read(source), source=source, options=VideoOptions(codec=codec, crf=4))
    with av.open(str(copy)) as container:
        context = container.streams.video[0].codec_context
        found = (
            int(context.colorspace),
            int(context.color_range),
            int(context.color_primaries),
            int(context.color_trc),
        )
    assert found == (matrix, 2 if full_range else 1, primaries, transfer)
    back = next(video.read(copy)).pixels.astype(int)
    assert abs(back - flat(0, 64))[[4, 20, 40, 60]].max() <= 6


@pytest.mark.parametrize("codec", ["h264", "h265", "av1", "vp9"])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_shape_of_pixels_is_kept_or_its_loss_is_told(
    tmp_path: Path, suffix: str, codec: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = clip(tmp_path / "s.mp4", shape=Fraction(16, 11), height=64)
    copy = tmp_path / f"copy{suffix}"
    video.write(copy, video.read(source), source=source, options=VideoOptions(codec=codec))
    with av.open(str(copy)) as container:
        shape = container.streams.video[0].sample_aspect_ratio
    if suffix == ".mkv" and codec in ("av1", "vp9"):
        assert f"{copy}: pixels of shape 16/11 cannot be stated" in caplog.text
    else:
        assert float(shape) == pytest.approx(16 / 11, rel=0.01)
        assert not caplog.records
