"""The list of checks, and the page it is shown on."""

import re
from pathlib import Path

from refnet.audit.doctor.checks import all_checks, table

PAGE = Path(__file__).parents[3] / "docs" / "doctor.md"


def test_every_check_has_an_id_of_its_own_and_says_all_it_should() -> None:
    ids = [check.id for check in all_checks()]
    assert len(set(ids)) == len(ids)
    for check in all_checks():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)
        assert check.question.endswith("?")
        assert check.meaning.endswith(".")
        assert check.remedy.endswith(".")
        assert all(re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", it) for it in check.threads)
        assert "|" not in check.question + check.meaning + check.remedy


def test_every_check_is_tested_with_a_planted_fault_or_finding() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    planted = set(re.findall(r'found\(\s*"([a-z-]+)"', tests))
    assert planted == {check.id for check in all_checks()}


def test_the_page_shows_the_checks_as_they_are() -> None:
    assert table() in PAGE.read_text(), "run python tools/write_doctor.py"
