"""Write packed pairs: two growing files for each split, their checksums, the data hash."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from superres.data.manifest import MANIFEST, PACK, Pixels, combined_hash, pack_name
from superres.data.prepare import PairOptions, Prepared

SIDES: Final = ("hr", "lr")


class Pack:
    """The HR and the LR pack of a split while they grow; a context that closes them."""

    def __init__(self, folder: Path, split: str) -> None:
        self.images = 0
        self._files = {side: (folder / pack_name(split, side)).open("wb") for side in SIDES}
        self._digests = {side: hashlib.sha256() for side in self._files}
        self._sizes = dict.fromkeys(self._files, 0)

    def __enter__(self) -> "Pack":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def size(self, side: str) -> int:
        """Return the bytes so far, which is the offset of the next picture."""
        return self._sizes[side]

    def sha256(self, side: str) -> str:
        """Return the checksum of what was written so far."""
        return self._digests[side].hexdigest()

    def append(self, prepared: Prepared) -> None:
        """Add one pair."""
        self.images += 1
        self._append("hr", prepared.hr)
        self._append("lr", prepared.lr)

    def _append(self, side: str, pixels: Pixels) -> None:
        self._files[side].write(pixels.data)
        self._digests[side].update(pixels.data)
        self._sizes[side] += pixels.nbytes


def write_facts(folder: Path, packs: Mapping[str, Pack], options: PairOptions) -> str:
    """Write pack.json over the finished manifest and packs; return the data hash."""
    hashes = {
        pack_name(split, side): pack.sha256(side) for split, pack in packs.items() for side in SIDES
    }
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    facts = {
        "scale": options.scale,
        "kernel": options.kernel,
        "border": options.border,
        "min_side": options.min_side,
        "splits": {
            split: {
                "images": pack.images,
                "hr_sha256": pack.sha256("hr"),
                "lr_sha256": pack.sha256("lr"),
            }
            for split, pack in packs.items()
        },
        "sha256": combined_hash({**hashes, MANIFEST: manifest}),
    }
    (folder / PACK).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return str(facts["sha256"])
