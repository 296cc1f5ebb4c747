"""Pictures inside the page, as data."""

import base64
import html

from superres.images import Picture, encode
from superres.report.strips import Pixels, Strip


def strip_html(strip: Strip) -> str:
    """Return a picture's squares, and the small picture that shows where they lie."""
    left, top, width, height = (f"{100 * share:.2f}%" for share in strip.box)
    where = (
        f'<div class="where">{_image(strip.thumbnail, f"{strip.title}, whole", lossy=True)}'
        f'<span style="left:{left};top:{top};width:{width};height:{height}"></span></div>'
    )
    tiles = []
    for tile in strip.tiles:
        psnr = "" if tile.psnr is None else f"<br><small>{tile.psnr:.2f} dB</small>"
        caption = f"<figcaption>{html.escape(tile.name)}{psnr}</figcaption>"
        picture = _image(tile.pixels, f"{strip.title}, {tile.name}")
        tiles.append(f'<figure class="tile">{picture}{caption}</figure>')
    body = f'{where}<div class="tiles">{"".join(tiles)}</div>'
    return f'<h3>{html.escape(strip.title)}</h3><div class="strip">{body}</div>'


def _image(pixels: Pixels, text: str, *, lossy: bool = False) -> str:
    form = "JPEG" if lossy else "PNG"
    content = base64.b64encode(encode(Picture(pixels), form)).decode("ascii")
    return f'<img src="data:image/{form.lower()};base64,{content}" alt="{html.escape(text)}">'
