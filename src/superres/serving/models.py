"""The models that the service offers, by name; opened on first use, a few kept open.

A model folder may be replaced while the service runs: `refresh` opens the new weights beside the
old ones, warms them up and lets the next request have them. Who has begun with the old ones ends
with them.
"""

import json
import logging
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from superres import pretrained
from superres.config import ServingParams
from superres.errors import InputError, ModelError
from superres.serving import cards, measures
from superres.serving.folders import folders_below, provenance_of, stamp_of
from superres.serving.served import Served

log = logging.getLogger(__name__)

KEPT_MODELS = 4  # open at once, the default among them
KEPT_FORMER = 2  # versions that were replaced and can still be asked for by name@version
LONGEST_NAME = 100  # letters of an unknown name that are said back


def find_root() -> Path:
    """Return the folder of models/ and params.yaml: a bento's, a checkout's, else the current."""
    beside_package = Path(__file__).resolve().parents[2]
    for root in (beside_package, beside_package.parent):
        if (root / "params.yaml").is_file() or (root / "models" / "champion").is_dir():
            return root
    return Path.cwd()


class Models:
    """Upscalers by name: the default, the model folders below root/models, the baselines.

    `default` is "champion", another of these names, or a model folder anywhere, which is then
    served under the folder's name.
    """

    def __init__(self, root: Path, default: str, params: ServingParams) -> None:
        self._models = root / "models"
        self._params = params
        self._elsewhere = Path(default) if (Path(default) / "model.json").is_file() else None
        self.default = default if self._elsewhere is None else self._elsewhere.resolve().name
        self._open: OrderedDict[str, Served] = OrderedDict()
        self._stamps: dict[str, object] = {}
        self._former: OrderedDict[tuple[str, str], Served] = OrderedDict()
        self._opening = threading.Lock()

    def get(self, name: str | None = None) -> Served:
        """Return the upscaler called `name`, opened on first use; "name@version" is exactly that.

        Raises InputError 404 for what is not served, ModelError when its files are damaged.
        """
        name, _, version = (name or self.default).partition("@")
        name = name or self.default
        upscaler = self._open.get(name)
        if upscaler is None:
            with self._opening:  # one at a time; whoever asks for an open one does not wait
                upscaler = self._open.get(name)
                if upscaler is None:
                    upscaler = self._load(name)
                    self._enter(name, upscaler)
        if not version or upscaler.version == version:
            return upscaler
        return self._former.get((name, version)) or self._other(name, version)

    def refresh(self) -> list[str]:
        """Open anew what was replaced on disk since it was opened; return the names that moved.

        What cannot be opened is logged, and the old weights go on answering.
        """
        moved = []
        folders = self._folders()
        for name in list(self._open):
            stamp = stamp_of(folders.get(name))
            if stamp is None or stamp == self._stamps.get(name):
                continue  # not a folder, between two moves, or as it was
            try:
                fresh = self._load(name)
                _warmed(fresh)
            except Exception as error:  # of any kind: what answers now must go on answering
                self._stamps[name] = stamp  # once is enough
                measures.reloaded("failed")
                log.exception("the new '%s' cannot be served (%s); the old one stays", name, error)
                continue
            with self._opening:
                former = self._open[name]
                self._enter(name, fresh)
                self._keep(name, former)
            measures.reloaded("moved")
            moved.append(name)
            log.info("'%s' moved from %s to %s", name, former.version, fresh.version)
        return moved

    def warm(self) -> None:
        """Open the default model and run it once."""
        _warmed(self.get())

    def describe(self) -> list[dict[str, Any]]:
        """Return the facts of every model that can be asked for, the default first."""
        from superres.models import BASELINES

        names = [self.default, *self._folders(), *sorted(BASELINES)]
        return [self._facts(name) for name in dict.fromkeys(names)]

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Return the versions that name@version accepts, the present one first."""
        current = self.get(name).version
        former = [version for of, version in reversed(self._former) if of == name]
        return [
            {"version": version, "current": version == current}
            for version in dict.fromkeys([current, *former])
        ]

    def _other(self, name: str, version: str) -> Served:
        """Find a version in another folder: a champion is one of the runs."""
        for other, folder in self._folders().items():
            if provenance_of(folder).get("version") == version:
                return self.get(other)
        known = ", ".join(each["version"] for each in self.versions(name))
        message = f"model '{name}' has no version '{version[:LONGEST_NAME]}' here; known: {known}"
        raise InputError(message, code="unknown_version", status=404)

    def _enter(self, name: str, upscaler: Served) -> None:
        scale = self._open[self.default].info.scale if self.default in self._open else None
        self._open[name] = upscaler
        measures.loaded(upscaler.which, is_there=True)
        if name == self.default and scale not in (None, upscaler.info.scale):
            for other in [key for key in self._open if key not in self._folders()]:
                self._close(other)  # a baseline upscales like the default
        while len(self._open) > KEPT_MODELS:
            self._close(next(key for key in self._open if key != self.default))

    def _close(self, name: str) -> None:
        measures.loaded(self._open.pop(name).which, is_there=False)

    def _keep(self, name: str, former: Served) -> None:
        if former.version != self._open[name].version:
            measures.loaded(former.which, is_there=False)
            self._former[name, former.version] = former
            while len(self._former) > KEPT_FORMER:
                self._former.popitem(last=False)

    def _load(self, name: str) -> Served:
        from superres.checkpoint import load_model

        folder = self.folder(name)  # a name from outside is looked up, it never becomes a path
        stamp = stamp_of(folder)
        model = load_model(name if folder is None else folder, scale=self._baseline_scale())
        if stamp != stamp_of(folder):
            raise ModelError(f"{folder}: was replaced while it was read; try again.")
        upscaler = Served(name, model, folder, self._params)
        self._stamps[name] = stamp
        return upscaler

    def folder(self, name: str) -> Path | None:
        """Return a model's folder, None for a baseline; InputError 404 for an unknown name."""
        from superres.models import BASELINES

        found = self._folders().get(name)
        if found is None and name not in BASELINES:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> InputError:
        from superres.models import BASELINES

        known = ", ".join([*self._folders(), *sorted(BASELINES)])
        message = f"model '{name[:LONGEST_NAME]}' is not served here; known: {known}"
        return InputError(message, code="unknown_model", status=404)

    def _folders(self) -> dict[str, Path]:
        found = {**pretrained.folders(), **folders_below(self._models)}
        shipped = pretrained.default()
        if shipped is not None:  # until something is promoted
            found.setdefault("champion", shipped)
        if self._elsewhere is not None:
            found[self.default] = self._elsewhere
        return found

    def _baseline_scale(self) -> int:
        opened = self._open.get(self.default)
        return opened.info.scale if opened is not None else 4

    def _facts(self, name: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"name": name, "default": name == self.default}
        folder = self._folders().get(name)
        facts |= {} if folder is None else cards.facts(folder)
        if (opened := self._open.get(name)) is not None:
            known = {key: value for key, value in opened.lineage.items() if key != "model"}
            return {**facts, "network": opened.info.name, "scale": opened.info.scale, **known}
        if folder is None:
            return {**facts, "network": name, "version": name, "scale": self._baseline_scale()}
        try:
            content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            info, provenance = content["info"], content["provenance"]
            known = {key: provenance[key] for key in ("version", "run_id") if provenance.get(key)}
            return {**facts, "network": info["name"], "scale": info["scale"], **known}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {**facts, "error": f"model.json cannot be read ({error!r})"}


def _warmed(upscaler: Served) -> None:
    import numpy as np

    upscaler.pixels(np.zeros((64, 64, 3), np.uint8))
