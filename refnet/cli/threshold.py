"""`refnet threshold`: one threshold in every convention of the field."""

from typing import Annotated

from cyclopts import Parameter

from refnet.cli.console import out, print_json
from refnet.cli.options import JsonFlag
from refnet.faces.thresholds import CONVENTIONS, Metric, all_conventions


def threshold(
    value: float,
    /,
    *,
    metric: Annotated[Metric, Parameter(name=["--from", "--metric"])],
    json: JsonFlag = False,
) -> None:
    """Say a threshold in every convention: the same decisions, in other numbers.

    Says nothing about which threshold is right; docs/thresholds.md lists published ones and what they lack.

    Parameters
    ----------
    value
        The threshold.
    metric
        The convention it is given in.
    """
    values = all_conventions(value, metric)
    if json:
        described = {
            name: {
                "value": values[name],
                "match": "at least" if it.larger_is_closer else "at most",
                "formula": it.formula,
            }
            for name, it in CONVENTIONS.items()
        }
        print_json({"schema_version": 1, "given": {"value": value, "metric": metric}, "thresholds": described})
        return
    for name, it in CONVENTIONS.items():
        side = "at least" if it.larger_is_closer else "at most"
        out.print(f"{name:<21} match if {side:<8} {values[name]:<10.6g} {it.formula}")
