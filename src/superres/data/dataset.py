"""What a data set is: where it comes from, its files, licence, splits and protocols."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from superres.config.schema import Frozen
from superres.data.protocols import Protocol
from superres.data.sources import Kind
from superres.data.splits import Split

IMAGE_SUFFIXES: Final = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES: Final = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ARCHIVE_SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

Bytes = Annotated[int, Field(ge=0)]


class Package(Frozen):
    """Files inside an installed Python package, found without importing it."""

    package: str
    folder: str


class Local(Frozen):
    """A folder or a file of this machine; `lr` is the folder of its LR pictures."""

    path: Path
    lr: Path | None = None


class Sides(Frozen):
    """Real pairs: top folders of the HR ("": all others) and the LR pictures in data/raw/<name>."""

    hr: str = ""
    lr: str = "lr"


class RemoteFile(Frozen):
    """A file or archive that is downloaded, or placed by hand where there are no `urls`."""

    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    urls: tuple[str, ...] = ()  # tried in this order
    size: Bytes | None = None
    checksum: Annotated[str | None, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] = (
        None  # as published; None: nobody publishes one
    )
    # auto: by suffix; nested: archives in the archive, one per class; stl10: raw pixels
    unpack: Literal["auto", "nested", "stl10"] = "auto"
    needed: bool = True


class Remote(Frozen):
    """Files on the web or placed by hand; without `files`, a folder filled by hand."""

    files: tuple[RemoteFile, ...] = ()
    at_least: int = 0  # of the files that are not `needed`


class Item(Frozen):
    """One file with a fixed place in the splits."""

    file: str
    sha256: str
    split: Split


class SplitRule(Frozen):
    """A split of its authors: `match` names files, `names` a text file that lists them."""

    match: str | None = None
    names: str | None = None
    split: Split | None = None  # None: each line of `names` ends with 0, 1 or 2


class Selection(Frozen):
    """The part of a data set that is wanted."""

    classes: tuple[str, ...] = ()  # top folders
    first: Annotated[int | None, Field(ge=1)] = None  # files, in the order of their names
    protocol: str | None = None  # the split of a report instead of the authors'


class Dataset(Frozen):
    """What `fetch` has to bring: `items` are all of it, or empty where the origin decides."""

    name: str
    entry: str = ""  # its name in the catalog, where `name` is another
    title: str = ""
    kind: Kind
    licence: str
    homepage: str
    holds: str = ""  # in words: how many pictures, how large
    origin: Package | Local | Remote
    unpacked: Bytes | None = None  # what it takes in data/raw, estimated
    place: str = ""  # how to get and place what cannot be downloaded
    items: tuple[Item, ...] = ()
    take: tuple[str, ...] = ("*",)  # patterns of members; * also stands for /
    leave: tuple[str, ...] = ()
    rules: tuple[SplitRule, ...] = ()
    sequences: bool = False  # every folder is a clip, its pictures the frames
    sides: Sides | None = None  # real pairs: LR is given, not made
    protocols: dict[str, Protocol] = Field(default_factory=dict)
    selection: Selection = Selection()
    split: Split | None = None  # every file goes there

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings this data set takes, in lower case."""
        return VIDEO_SUFFIXES if self.kind == "video" else IMAGE_SUFFIXES

    @property
    def shelf(self) -> str:
        """Folder name of what is downloaded or placed by hand."""
        return self.entry or self.name

    @property
    def protocol(self) -> Protocol | None:
        """The chosen protocol of a report."""
        name = self.selection.protocol
        return None if name is None else self.protocols[name]

    @property
    def is_automatic(self) -> bool:
        """Whether fetch gets all of it without anybody's help."""
        if not isinstance(self.origin, Remote):
            return True
        return bool(self.origin.files) and all(file.urls for file in self.origin.files)

    @property
    def size(self) -> int:
        """Known bytes of its archives, else of its files; 0 when unknown."""
        files = self.origin.files if isinstance(self.origin, Remote) else ()
        return sum(file.size or 0 for file in files) or self.unpacked or 0
