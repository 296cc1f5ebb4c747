"""Prefect's switches, before any test imports it."""

import os

from flows.environment import missing_switches

os.environ.update(missing_switches(os.environ))
