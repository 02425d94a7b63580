"""What a check is, and what can come of it: nothing, findings with their evidence, or a reason why it cannot be asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Severity = Literal["problem", "warning", "note"]
Group = Literal["model file", "weights", "running", "embeddings", "threshold"]
Status = Literal["passed", "found", "skipped"]

S = TypeVar("S")


@dataclass(frozen=True)
class Evidence:
    """One thing that was looked at.

    Attributes
    ----------
    where : the tensor, constant, node, file or row.
    found, expected : in words or numbers; `expected` may be empty where there is nothing it should be.
    """

    where: str
    found: str
    expected: str = ""


@dataclass(frozen=True)
class Finding:
    """Something a check found.

    Attributes
    ----------
    severity : "problem" makes numbers wrong or comparisons meaningless; "warning" may; "note" should be known.
    sentence : what is wrong, or is so.
    evidence : what it was seen on.
    remedy : what to do, where this finding says more than its check; else empty.
    """

    severity: Severity
    sentence: str
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""


@dataclass(frozen=True)
class Skipped:
    """Why a check cannot be asked here."""

    reason: str


Answer = Sequence[Finding] | Skipped


@dataclass(frozen=True)
class Check(Generic[S]):
    """One question.

    Attributes
    ----------
    id : short, for machines.
    group : what it looks at.
    question : what a pass means, as a question that is answered by no.
    meaning : what goes wrong where it is so.
    remedy : what to do then.
    ask : finds it, in a subject of the group.
    threads : public reports of the mistake.
    """

    id: str
    group: Group
    question: str
    meaning: str
    remedy: str
    ask: Callable[[S], Answer]
    threads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What came of one check; `reason` is why it was skipped."""

    id: str
    group: Group
    question: str
    status: Status
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    threads: tuple[str, ...] = field(default=())


def result(check: Check[S], subject: S) -> Result:
    """Ask one check; its remedy goes to findings that have none of their own."""
    answer = check.ask(subject)
    if isinstance(answer, Skipped):
        return skipped(check, answer.reason)
    findings = tuple(
        Finding(found.severity, found.sentence, found.evidence, found.remedy or check.remedy) for found in answer
    )
    status: Status = "found" if findings else "passed"
    return Result(check.id, check.group, check.question, status, "", findings, check.threads if findings else ())


def skipped(check: Check[S], reason: str) -> Result:
    """The result of a check that was not asked."""
    return Result(check.id, check.group, check.question, "skipped", reason)
