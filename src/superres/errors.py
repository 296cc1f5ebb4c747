"""Every error a user can cause, and the HTTP status it becomes.

SuperresError
├── ConfigError     params.yaml, an experiment file or an option is wrong
├── DataError       a data set, a pack or its manifest is wrong
├── ModelError      a model folder, its weights or a network's options are wrong
├── StorageError    a disk is full, or a file cannot be written
├── ServiceError    a superres service elsewhere cannot be reached, is busy or failed (client)
└── InputError      a picture, video or tensor somebody handed in (the only one served as 4xx)

A message says what is wrong, what was found, what is accepted and where to change it.
"""


class SuperresError(Exception):
    """Root of every error that is the caller's to mend; the CLI prints it without a traceback."""


class ConfigError(SuperresError):
    """A configuration file or option is not what the schema accepts."""


class DataError(SuperresError):
    """A data set, pack or manifest is missing, damaged or fails its expectations."""


class ModelError(SuperresError):
    """A model folder, weights file or network option is missing, damaged or inconsistent."""


class StorageError(SuperresError):
    """A file cannot be written: the disk is full, a quota is reached, a folder is read-only."""


class InputError(SuperresError):
    """A picture, video or tensor from outside cannot be processed.

    `code` is a short machine-readable word, `status` the HTTP status: 400 malformed,
    413 too large, 415 not a supported type, 422 content that cannot be processed.
    """

    def __init__(self, message: str, *, code: str = "bad_input", status: int = 422) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class ServiceError(SuperresError):
    """A superres service that was asked cannot be reached, stays busy or failed.

    `code` and `status` are the service's own; without an answer "unreachable" and 0.
    """

    def __init__(self, message: str, *, code: str = "failed", status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
