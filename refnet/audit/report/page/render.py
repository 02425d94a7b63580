"""The page itself: what the templates are given, and how they are filled in.

Escaping is the templates' default and nothing is exempt but what this package draws itself (charts, style, script, and
the JSON of the panels, in which `<` cannot occur). The policy in the page's head allows its one script, by digest, and
pictures that are part of the page; a browser that reads it asks no one for anything.
"""

import base64
import hashlib
import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from refnet.audit.report.page.agreement_chart import agreement_chart, stage
from refnet.audit.report.page.evaluation_charts import det_chart, roc_chart, similarity_chart
from refnet.audit.report.page.explained_pairs import explained_pairs
from refnet.audit.report.page.extra import check_extra
from refnet.audit.report.page.groups import group_scales
from refnet.audit.report.page.headline import headline
from refnet.audit.report.page.measures import measures
from refnet.audit.report.page.network_map import network_map
from refnet.audit.report.page.records import AGREEMENT, layer_records, panel, weight_flags
from refnet.audit.report.page.strips import TRUNK, WIDTH
from refnet.audit.report.page.text import all_visible, fixed, large, moment, shape, share, short, visible, whole

if TYPE_CHECKING:
    from jinja2 import Environment

_SECTIONS = (
    ("limits", "What it cannot claim"),
    ("provenance", "Provenance"),
    ("conformance", "Conformance"),
    ("findings", "Findings"),
    ("network", "The network"),
    ("layers", "Layers"),
    ("agreement", "Agreement"),
    ("weights", "Weights"),
    ("evaluation", "Evaluation"),
    ("explained", "Explained pairs"),
)
_SEVERITIES = ("problem", "warning", "note")


def render(document: Mapping[str, Any]) -> str:
    """Write the report as one HTML page.

    Parameters
    ----------
    document : as report.schema.json describes it

    Returns
    -------
    str
        The page; the same document gives the same text.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    check_extra()
    environment = _environment()
    from markupsafe import Markup  # jinja2's own

    records = layer_records(document)
    chosen = measures(records, document)
    script = _asset("page.js")
    told = {
        "layers": [panel(record) for record in records],
        "measures": chosen,
        "histogram": _bins(document),
        "agreementTable": AGREEMENT,
    }
    pairs = [
        {**pair, "robustness": Markup(pair["robustness"]), "units": Markup(pair["units"])}
        for pair in explained_pairs(document)
    ]
    return environment.get_template("report.html.jinja").render(
        d=document,
        headline=headline(document),
        sections=[(name, title) for name, title in _SECTIONS if name != "explained" or pairs],
        checks=_checks(document),
        findings=list(_findings(document)),
        measures=chosen,
        map=network_map(document),
        map_width=WIDTH,
        trunk=TRUNK,
        records=records,
        operator_counts=sorted(document["model"]["operators"].items(), key=lambda it: (-it[1], it[0])),
        operators=sorted({record["op"] for record in records}),
        groups=list(dict.fromkeys(record["group"] for record in records if record["group"])),
        sides=_sides(document),
        outputs=_outputs(document),
        charts={name: Markup(chart) for name, chart in _charts(document).items()},
        protocols=_protocols(document),
        group_scales=group_scales(document),
        pairs=pairs,
        command=shlex.join(document["made"]["command"]),
        circumstances=list(_circumstances(document["made"])),
        style=Markup(_asset("style.css")),
        script=Markup(script),
        script_digest=Markup(_digest(script)),
        data=Markup(_json(told)),
    )


def _environment() -> "Environment":
    """Templates that escape everything, and refuse what the document does not have."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("refnet.audit.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    said = (whole, fixed, moment, short, large, share, shape, stage, weight_flags)
    environment.globals.update({function.__name__: function for function in said})
    return environment


def _bins(document: Mapping[str, Any]) -> dict[str, int]:
    """How many bins histograms have, and the power of two at which those above zero begin."""
    edges = document["histogram_edges"]
    return {"bins": len(edges) + 1, "lowest": round(math.log2(min(edge for edge in edges if edge > 0)))}


def _asset(name: str) -> str:
    """A file of this package."""
    return files("refnet.audit.report.page").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """A script as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _json(value: Any) -> str:
    """JSON that can stand in a script element: no letter of it can end the element or begin a comment."""
    said = json.dumps(all_visible(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return said.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _checks(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The doctor's results by what came of them."""
    results = document["findings"]["results"]
    return {
        status: [result for result in results if result["status"] == status]
        for status in ("found", "passed", "skipped")
    }


def _findings(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every finding, problems first; evidence knows its layer."""
    places = _places(document)
    results = document["findings"]["results"]
    for severity in _SEVERITIES:
        for result in results:
            for found in result["findings"]:
                if found["severity"] == severity:
                    evidence = [{**seen, "layer": places.get(seen["where"])} for seen in found["evidence"]]
                    yield {
                        **found,
                        "evidence": evidence,
                        "question": result["question"],
                        "threads": result["threads"],
                        "expects": any(seen["expected"] for seen in evidence),
                    }


def _places(document: Mapping[str, Any]) -> dict[str, int]:
    """{name of a constant, tensor or node: its layer}."""
    places = {row["name"]: row["layer"] for row in document["weights"] if row["layer"] is not None}
    for number, layer in enumerate(document["layers"]):
        places |= {layer["output"]: number, layer["name"]: number}
    places.pop("", None)
    return places


def _sides(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was compared with float64."""
    agreement = document["agreement"]
    return [{**side, "key": key} for key in ("fast", "other") if (side := agreement[key])]


def _outputs(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outputs of each side."""
    return [{**row, "by": side["name"]} for side in _sides(document) for row in side["outputs"]]


def _charts(document: Mapping[str, Any]) -> dict[str, str]:
    """Every chart that is no pair's own."""
    found = {"agreement": agreement_chart(document), "roc": "", "det": "", "similarities": ""}
    evaluation = document["evaluation"]
    if evaluation:
        found |= {
            "roc": roc_chart(evaluation),
            "det": det_chart(evaluation),
            "similarities": similarity_chart(evaluation),
        }
    return found


def _protocols(document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The protocols that were applied, by the names of those who published them."""
    evaluation = document["evaluation"]
    if not evaluation:
        return []
    names = (("InsightFace, ten folds", "insightface"), ("Open Model Zoo, median threshold", "omz"))
    return [(name, {**evaluation[key], "protocol": key}) for name, key in names if evaluation[key]]


def _circumstances(made: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Machine and versions, in words."""
    yield "refnet", made["refnet"]
    for name, version in made["versions"].items():
        yield name, "not installed" if version is None else str(version)
    for name, said in made["machine"].items():
        yield name.replace("_", " "), _said(said)


def _said(value: Any) -> str:
    """A plain value in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_said(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and value > 9999 else str(value)
