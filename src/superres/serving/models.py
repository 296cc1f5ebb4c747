"""The models that the service offers, by name; opened on first use, a few kept open."""

import json
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from superres.config import ServingParams
from superres.errors import InputError

if TYPE_CHECKING:
    from superres.inference.upscaler import Upscaler

KEPT_MODELS = 4  # open at once, the default among them


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
        self._open: OrderedDict[str, Upscaler] = OrderedDict()
        self._opening = threading.Lock()

    def get(self, name: str | None = None) -> "Upscaler":
        """Return the upscaler called `name`, opened on first use.

        Raises InputError 404 for an unknown name, ModelError when its files are damaged.
        """
        name = name or self.default
        upscaler = self._open.get(name)
        if upscaler is None:
            with self._opening:  # one at a time; whoever asks for an open one does not wait
                upscaler = self._open.get(name) or self._load(name)
                self._open[name] = upscaler
                while len(self._open) > KEPT_MODELS:
                    del self._open[next(key for key in self._open if key != self.default)]
        return upscaler

    def describe(self) -> list[dict[str, Any]]:
        """Return the facts of every model that can be asked for, the default first."""
        from superres.models import BASELINES

        names = [self.default, *self._folders(), *sorted(BASELINES)]
        return [self._facts(name) for name in dict.fromkeys(names)]

    def _load(self, name: str) -> "Upscaler":
        from superres.checkpoint import load_model
        from superres.inference.upscaler import Upscaler
        from superres.models import BASELINES

        # A name from outside is looked up, it never becomes a path.
        folder = self._folders().get(name)
        if folder is None and name not in BASELINES:
            known = ", ".join([*self._folders(), *sorted(BASELINES)])
            message = f"model '{name}' is not served here; known: {known}"
            raise InputError(message, code="unknown_model", status=404)
        model = load_model(name if folder is None else folder, scale=self._baseline_scale())
        tile = None if self._params.tile == "auto" else self._params.tile
        return Upscaler(model, tile=tile, backend=self._params.backend)

    def _folders(self) -> dict[str, Path]:
        found = {}
        for file in sorted(self._models.glob("**/model.json")):
            name = file.parent.relative_to(self._models).as_posix().removeprefix("runs/")
            if not any(part.startswith(".") for part in Path(name).parts):
                found[name] = file.parent
        if self._elsewhere is not None:
            found[self.default] = self._elsewhere
        return found

    def _baseline_scale(self) -> int:
        opened = self._open.get(self.default)
        return opened.info.scale if opened is not None else 4

    def _facts(self, name: str) -> dict[str, Any]:
        facts: dict[str, Any] = {"name": name, "default": name == self.default}
        if (opened := self._open.get(name)) is not None:
            lineage = opened.lineage
            return {**facts, **lineage, "model": opened.info.name, "scale": opened.info.scale}
        folder = self._folders().get(name)
        if folder is None:
            return {**facts, "model": name, "version": name, "scale": self._baseline_scale()}
        try:
            content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            info, provenance = content["info"], content["provenance"]
            known = {key: provenance[key] for key in ("version", "run_id") if provenance.get(key)}
            return {**facts, "model": info["name"], "scale": info["scale"], **known}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return {**facts, "error": f"model.json cannot be read ({error!r})"}
