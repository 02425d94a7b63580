"""All that the doctor found, and the order in which it asks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from refnet.audit.doctor.checks import EMBEDDING_CHECKS, MODEL_CHECKS, RUN_CHECKS, THRESHOLD_CHECKS
from refnet.audit.doctor.embedding_checks import Files
from refnet.audit.doctor.finding import Check, Finding, Result, result, skipped
from refnet.audit.doctor.patient import Patient
from refnet.audit.doctor.running import Running
from refnet.audit.doctor.threshold_check import Said

SCHEMA_VERSION = 1
S = TypeVar("S")
Progress = Callable[[], object]


@dataclass(frozen=True)
class Diagnosis:
    """Every check, in the order asked.

    Attributes
    ----------
    model : what was looked at; empty if no model was.
    results : passed, found and skipped ones.
    """

    model: str
    results: tuple[Result, ...]

    @property
    def healthy(self) -> bool:
        """Whether no problem was found; there may be warnings."""
        return not self.findings("problem")

    def findings(self, severity: str) -> list[tuple[Result, Finding]]:
        """The findings of one severity, each with its check."""
        return [(it, found) for it in self.results for found in it.findings if found.severity == severity]

    def to_json(self) -> dict[str, Any]:
        """A plain dict with a schema version."""
        counts = {f"{severity}s": len(self.findings(severity)) for severity in ("problem", "warning", "note")}
        return {"schema_version": SCHEMA_VERSION, "healthy": self.healthy, **counts, **asdict(self)}


def examine(
    patient: Patient | None,
    running: Running | None = None,
    embeddings: Files | None = None,
    threshold: Said | None = None,
    *,
    not_run: str = "not asked for",
    progress: Progress = lambda: None,
) -> Diagnosis:
    """Ask every check.

    Parameters
    ----------
    patient, running, embeddings, threshold
        What there is to look at; the checks of what is None are skipped.
    not_run : why there is no `running`.
    progress : called after every check.
    """
    results = [
        *_asked(MODEL_CHECKS, patient, "no model was given", progress),
        *_asked(RUN_CHECKS, running, not_run, progress),
        *_asked(EMBEDDING_CHECKS, embeddings, "no embeddings were given (--embeddings)", progress),
        *_asked(THRESHOLD_CHECKS, threshold, "no threshold was given (--threshold)", progress),
    ]
    return Diagnosis(str(patient.path) if patient else "", tuple(results))


def _asked(checks: Sequence[Check[S]], subject: S | None, otherwise: str, progress: Progress) -> Iterator[Result]:
    for check in checks:
        yield skipped(check, otherwise) if subject is None else result(check, subject)
        progress()
