"""What a validation found: one `Check` for each expectation, in words a person reads."""

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["critical", "warning"]

SHOWN: Final = 20  # failing rows named in a message


@dataclass(frozen=True)
class Check:
    """One expectation and what became of it; `failing` names rows by id, or files."""

    sentence: str
    severity: Severity
    failing: tuple[str, ...] = ()
    detail: str = ""

    @property
    def success(self) -> bool:
        """Whether the expectation holds."""
        return not self.failing and not self.detail

    def describe(self) -> str:
        """Return the sentence and what fails it, in one line."""
        named = ", ".join(self.failing[:SHOWN])
        more = f" and {len(self.failing) - SHOWN} more" if len(self.failing) > SHOWN else ""
        parts = [part for part in (self.detail, named + more) if part]
        return f"{self.sentence} Not so: {'; '.join(parts)}" if parts else self.sentence


@dataclass(frozen=True)
class ValidationReport:
    """Every check of one validation; only a failed critical check makes it fail."""

    checks: tuple[Check, ...]
    pairs: dict[str, int]  # by split
    sha256: str

    @property
    def success(self) -> bool:
        """Whether every critical expectation holds."""
        return not any(check.severity == "critical" for check in self.failed)

    @property
    def failed(self) -> list[Check]:
        """The expectations that do not hold, warnings included."""
        return [check for check in self.checks if not check.success]
