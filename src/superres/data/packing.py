"""Write packed pairs: shards that grow to a bound, their checksums, the data hash."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from superres.data.manifest import MANIFEST, PACK, SIDES, Pixels, combined_hash, pack_name
from superres.data.prepare import PairOptions, Prepared

SHARD_BYTES: Final = 1 << 30  # of HR; LR shards are scale * scale times smaller


@dataclass
class Shard:
    """One HR and one LR file while they grow."""

    files: dict[str, BinaryIO]
    images: int = 0
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIDES, 0))
    digests: dict[str, Any] = field(
        default_factory=lambda: {side: hashlib.sha256() for side in SIDES}
    )

    def append(self, side: str, pixels: Pixels) -> None:
        """Write the pixels at the end of one side."""
        self.files[side].write(pixels.data)
        self.digests[side].update(pixels.data)
        self.sizes[side] += pixels.nbytes

    def close(self) -> None:
        """Close both files."""
        for file in self.files.values():
            file.close()


class Pack:
    """The shards of a split while they grow; a context that closes them.

    Where a shard ends depends on the pictures and `shard_bytes` alone, so that the files are the
    same however the pictures were prepared. A split without pictures has no shard.
    """

    def __init__(self, folder: Path, split: str, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._split = split
        self._bound = shard_bytes
        self.shards: list[Shard] = []

    def __enter__(self) -> "Pack":
        return self

    def __exit__(self, *_: object) -> None:
        for shard in self.shards:
            shard.close()

    @property
    def images(self) -> int:
        """Pairs in all shards."""
        return sum(shard.images for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Bytes of both sides in all shards."""
        return sum(size for shard in self.shards for size in shard.sizes.values())

    def size(self, side: str) -> int:
        """Return the bytes in the newest shard, which is the offset of what comes next in it."""
        return self.shards[-1].sizes[side] if self.shards else 0

    def place(self, prepared: Prepared) -> tuple[int, int, int]:
        """Return shard, HR offset and LR offset that `append` gives this pair."""
        if not self.shards or self._is_full(prepared):
            return len(self.shards), 0, 0
        return len(self.shards) - 1, self.size("hr"), self.size("lr")

    def append(self, prepared: Prepared) -> None:
        """Add one pair, in a new shard where this one would grow beyond its bound."""
        if not self.shards or self._is_full(prepared):
            self._open()
        shard = self.shards[-1]
        shard.images += 1
        shard.append("hr", prepared.hr)
        shard.append("lr", prepared.lr)

    def hashes(self) -> dict[str, str]:
        """Return file name -> sha256 of every shard."""
        return {
            pack_name(self._split, side, number): shard.digests[side].hexdigest()
            for number, shard in enumerate(self.shards)
            for side in SIDES
        }

    def _is_full(self, prepared: Prepared) -> bool:
        return self.size("hr") + prepared.hr.nbytes > self._bound

    def _open(self) -> None:
        if self.shards:
            self.shards[-1].close()
        number = len(self.shards)
        names = {side: pack_name(self._split, side, number) for side in SIDES}
        self.shards.append(
            Shard({side: (self._folder / name).open("wb") for side, name in names.items()})
        )


def write_facts(
    folder: Path, packs: Mapping[str, Pack], options: PairOptions, ways: Iterable[str] = ()
) -> str:
    """Write pack.json over the finished manifest and packs; return the data hash.

    `ways`: every degradation that the manifest names; those that `options` do not lead to, as of
    real pairs, are listed.
    """
    hashes = {name: digest for pack in packs.values() for name, digest in pack.hashes().items()}
    manifest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    others = sorted({*ways} - {options.describe()})
    facts = {
        "scale": options.scale,
        "kernel": options.kernel,
        "border": options.border,
        "degradation": options.describe(),
        "seed": options.seed,
        "min_side": options.min_side,
        **({"other_degradations": others, "max_shift": options.max_shift} if others else {}),
        "splits": {
            split: {
                "images": pack.images,
                "shards": [
                    {"images": shard.images}
                    | {f"{side}_sha256": shard.digests[side].hexdigest() for side in SIDES}
                    for shard in pack.shards
                ],
            }
            for split, pack in packs.items()
        },
        "sha256": combined_hash({**hashes, MANIFEST: manifest}),
    }
    (folder / PACK).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return str(facts["sha256"])
