"""A few places for what takes long; who finds none free is told to come again."""

from collections.abc import Iterator
from contextlib import contextmanager

from superres.serving import measures
from superres.serving.errors import UnavailableError


class Places:
    """`most` places for `what`; asked and taken by the event loop alone."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._taken = 0

    def require(self) -> None:
        """Raise UnavailableError (503) when all are taken."""
        if self._taken >= self._most:
            measures.refused(self._what)
            message = f"{self._most} {self._what} are being worked on, which is the most"
            raise UnavailableError(message)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold one until the block ends; UnavailableError (503) when all are taken."""
        self.require()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
