"""The onnx package's own tests: each is right, or refused in a sentence, by both engines; none is wrong or a traceback."""

import pytest

from tests.onnx_backend import ENGINES, cases, outcomes

OPERATORS = sorted({case.op for case in cases()[0]})


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("op", OPERATORS)
def test_no_case_of_an_operator_is_wrong(op: str, engine: str) -> None:
    wrong = [o for o in outcomes() if (o.op, o.engine, o.verdict) == (op, engine, "wrong")]
    assert not wrong, "\n".join(f"{outcome.case}: {outcome.reason}" for outcome in wrong)


@pytest.mark.parametrize("op", OPERATORS)
def test_the_reference_computes_cases_of_every_operator(op: str) -> None:
    assert [o for o in outcomes() if (o.op, o.engine, o.verdict) == (op, "reference", "pass")]


def test_a_refusal_says_why() -> None:
    assert all(len(outcome.reason.split()) > 2 for outcome in outcomes() if outcome.verdict == "refused")


def test_no_case_is_left_out() -> None:
    found, _ = cases()
    assert len(outcomes()) == len(found) * len(ENGINES)
    assert sum(not case.stored for case in found) > 500
