"""The HTTP service: BentoML's server, health and metrics around our own addresses.

`bentoml serve superres.service:SuperRes`. BentoML's endpoints have no limit on a body, answer a
bad picture with 500, give errors in three forms and cancel tasks without stopping them; so the
addresses are a Starlette application mounted into the service, and BentoML keeps the rest.
"""

import os
from pathlib import Path
from typing import Any

import bentoml

from superres.serving.job_folder import make_temporary, own_folder
from superres.serving.limits import serving_params
from superres.serving.logs import configure
from superres.serving.models import Models, find_root
from superres.serving.routes import create_app
from superres.serving.runtime import Runtime

# Not the package's name: `bentoml serve superres:latest` would look for an attribute of the
# installed package first and, having imported that, serve its code instead of the bento's.
NAME = "super-resolution"

app = create_app()

# One worker: it has threads of its own and one table of videos; more machines, more replicas.
# The timeout is for uploads of slow clients; computing has its own, SUPERRES_TIMEOUT_SECONDS.
CONFIG: Any = {
    "workers": 1,
    "traffic": {"timeout": 3600},
    "logging": {"access": {"enabled": False}},  # ours says more, and in JSON
    "http": {"host": "127.0.0.1", "port": serving_params(find_root(), os.environ).port},
}


@bentoml.asgi_app(app, path="/")
@bentoml.service(name=NAME, **CONFIG)
class SuperRes:
    """Super-resolution of pictures and videos.

    Environment: SUPERRES_MODEL (champion), SUPERRES_JOBS (a folder below the temporary one that a
    restart finds again), SUPERRES_API_KEY (none: everybody is let in), SUPERRES_LOG (json) and
    every limit of `serving` in params.yaml as SUPERRES_<NAME>.
    """

    def __init__(self) -> None:
        """Read the limits and begin to load the model; /readyz is 200 once it is warm."""
        configure(os.environ)
        make_temporary(os.environ)
        root = find_root()
        params = serving_params(root, os.environ)
        models = Models(root, os.environ.get("SUPERRES_MODEL", "champion"), params)
        jobs = os.environ.get("SUPERRES_JOBS")
        folder = Path(jobs) if jobs else own_folder(root)
        self.runtime = Runtime(params, models, folder, os.environ.get("SUPERRES_API_KEY"))
        app.state.runtime = self.runtime
        self.runtime.start()

    def __is_ready__(self) -> bool:
        """Answer /readyz."""
        return self.runtime.is_ready
