"""Every check the doctor knows, and the table of them that docs/doctor.md shows."""

from collections.abc import Iterator
from typing import Any

from refnet.audit.doctor import (
    activation_checks,
    alignment,
    embedding_checks,
    file_checks,
    input_checks,
    picture_checks,
    raw_weights,
    repeat_checks,
    slope_check,
    statistics_check,
    threshold_check,
    tile_check,
    variance_check,
    weight_checks,
)
from refnet.audit.doctor.finding import Check

MODEL_CHECKS = (
    *file_checks.CHECKS,
    *input_checks.CHECKS,
    *slope_check.CHECKS,
    *raw_weights.CHECKS,
    *variance_check.CHECKS,
    *weight_checks.CHECKS,
)
RUN_CHECKS = (
    *picture_checks.CHECKS,
    *alignment.CHECKS,
    *statistics_check.CHECKS,
    *activation_checks.CHECKS,
    *tile_check.CHECKS,
    *repeat_checks.CHECKS,
)
EMBEDDING_CHECKS = embedding_checks.CHECKS
THRESHOLD_CHECKS = threshold_check.CHECKS


def all_checks() -> tuple[Check[Any], ...]:
    """In the order in which they are asked."""
    return (*MODEL_CHECKS, *RUN_CHECKS, *EMBEDDING_CHECKS, *THRESHOLD_CHECKS)


def table() -> str:
    """Every check as Markdown: a table for each group."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    group = ""
    for check in all_checks():
        if check.group != group:
            yield f"{'' if not group else chr(10)}### {check.group.capitalize()}\n"
            yield "| check | question | what it means | what to do | reported in |"
            yield "|---|---|---|---|---|"
            group = check.group
        threads = ", ".join(f"[{_short(thread)}]({thread})" for thread in check.threads)
        yield f"| `{check.id}` | {check.question} | {check.meaning} | {check.remedy} | {threads} |"


def _short(thread: str) -> str:
    """owner/repository#number of a GitHub thread."""
    owner, repository, _, number = thread.removeprefix("https://github.com/").split("/")
    return f"{owner}/{repository}#{number}"
