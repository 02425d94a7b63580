"""Documents written by hand for the tests of the page: small, complete, and as unfriendly as a file may be."""

import base64
import copy
import io
from typing import Any

import numpy as np
from PIL import Image

ALERT = "<img src=x onerror=alert(1)>"
ENDS_SCRIPT = "</script><b>"
REVERSED = "face\u202egpj.exe"
LINES = "one\ntwo\r\u2028three\x00\x1b[31m"
QUOTES = '" onmouseover=alert(2) x="\'`{{ 7 * 7 }}$x^2$'

DATA = "data"
CHAIN = (  # name, operator, reads, shape, group, unit, part
    ("conv0", "Conv", ["data"], [1, 8, 12, 12], "stem", None, None),
    ("relu0", "PRelu", ["conv0"], [1, 8, 12, 12], "stem", None, None),
    ("unit1_bn1", "BatchNormalization", ["relu0"], [1, 8, 12, 12], "stage1", 1, "branch"),
    ("unit1_conv1", "Conv", ["unit1_bn1"], [1, 16, 6, 6], "stage1", 1, "branch"),
    ("unit1_sc", "Conv", ["relu0"], [1, 16, 6, 6], "stage1", 1, "shortcut"),
    ("plus0", "Add", ["unit1_conv1", "unit1_sc"], [1, 16, 6, 6], "stage1", 1, "sum"),
    ("unit2_conv1", "Conv", ["plus0"], [1, 16, 6, 6], "stage1", 2, "branch"),
    ("plus1", "Add", ["unit2_conv1", "plus0"], [1, 16, 6, 6], "stage1", 2, "sum"),
    ("flatten0", "Flatten", ["plus1"], [1, 576], "head", None, None),
    ("slope0", "Reshape", [], [1, 8, 1, 1], "stem", None, None),
    ("fc1", "Gemm", ["flatten0"], [1, 512], "head", None, None),
)


def document(name: str = "model.onnx") -> dict[str, Any]:
    """A sound residual network of eleven layers, compared with another runtime; no pairs."""
    return {
        "schema_version": 1,
        "made": {
            "at": "2026-01-02T03:04:05+00:00",
            "refnet": "0.1.0",
            "command": ["refnet", "audit", name, "-o", "a report.html"],
            "seconds": 61.5,
            "parts": [{"what": "loading", "seconds": 1.25}],
            "peak_mib": 900,
            "machine": {"processor": "a processor", "cores": 2, "features": ["avx", "fma"], "caches_bytes": {"L1": 49152}},
            "versions": {"numpy": "2.4.6", "onnxruntime": None},
        },
        "model": {
            "path": f"/models/{name}", "file": name, "bytes": 123456, "sha256": "ab" * 32, "card": None, "card_note": "",
            "synthetic": None, "format": "onnx", "ir_version": 8, "opset": 11, "producer": "", "notes": [],
            "inputs": [{"name": "data", "shape": [1, 3, 12, 12]}], "outputs": [{"name": "fc1", "shape": [1, 512]}],
            "contract": {
                "sentence": "values 0..255, RGB", "values": "0..255", "channels": "RGB", "channels_said": False,
                "scales_inside": True, "mean": 127.5, "scale": 0.0078125,
            },
            "conformance": {"is_lresnet100e_ir": False, "sentence": "Not an LResNet100E-IR."},
            "operators": {"Conv": 4, "Add": 2}, "flops": 2_000_000, "macs": 1_000_000, "parameters": 5000,
            "published_flops": 2_000_000, "published_parameters": 5000,
        },
        "notes": ["No pairs were given."],
        "limits": ["It says nothing of other images."],
        "histogram_edges": [*(-(2.0**n) for n in range(20, -21, -1)), *(2.0**n for n in range(-20, 21))],
        "layers": [_layer(*row) for row in CHAIN],
        "tensors": [_tensor(number, row) for number, row in enumerate(CHAIN)],
        "weights": [
            _weight("conv0_weight", 0, "weight", [8, 3, 3, 3]),
            _weight("fc1_weight", 10, "weight", [512, 576]),
        ],
        "agreement": {
            "images": ["a.png", "b.png"],
            "agrees": True,
            "fast": _side("refnet's fast engine", 3e-6),
            "other": _side("onnxruntime 1.30", 2e-6),
            "embeddings": [
                {
                    "image": image, "fast_relative_l2": 1.5e-6, "other_relative_l2": 1.1e-6, "angle_degrees": 1e-4,
                    "one_minus_cosine": 1.5e-12,
                }
                for image in ("a.png", "b.png")
            ],
            "margin": 3.7e-6,
            "sentence": "No decision can differ.",
        },
        "findings": {
            "schema_version": 1, "healthy": True, "problems": 0, "warnings": 0, "notes": 0, "model": name,
            "results": [
                _result("file-kind", "passed"),
                _result("embeddings", "skipped", reason="no embeddings were given"),
            ],
        },
        "evaluation": None,
        "explained": [],
    }  # fmt: skip


def sick() -> dict[str, Any]:
    """A document with a problem, a warning, a note, a departure, a dead channel, marked weights and no other runtime."""
    found = document("sick.onnx")
    found["findings"]["results"] += [
        _result(
            "nan",
            "found",
            [_finding("note", "a note", []), _finding("problem", "a problem", [("conv0_weight", "NaN", "a number")])],
        ),
        _result("variance", "found", [_finding("warning", "a warning", [("nowhere", "seen", "")])]),
    ]
    found["findings"] |= {"healthy": False, "problems": 1, "warnings": 1, "notes": 1}
    for row in found["tensors"]:
        row["other"] = None
    departing = found["tensors"][3]["fast"]
    departing |= {"verdict": "departs", "excess": 12.5, "reason": "an error 12.5 times the noise floor"}
    found["tensors"][2]["activation"]["dead_channels"] = [1, 5]
    found["weights"][0] |= {"not_finite": 3, "dead_filters": [2], "equal_filters": [[0, 1]]}
    found["agreement"] |= {"agrees": False, "other": None, "margin": None, "sentence": None}
    found["agreement"]["fast"] |= {"agrees": False, "departures": 1, "first_departure": 3, "summary": "1 of 11 departs"}
    for row in found["agreement"]["embeddings"]:
        row |= {"other_relative_l2": None, "angle_degrees": None, "one_minus_cosine": None}
    found["model"]["synthetic"] = "synthetic weights (seed 0)"
    return found


def hostile() -> dict[str, Any]:
    """Every text that a file, an image or a table of pairs can bring along is an attack."""
    found = faces()
    found["model"] |= {"file": ALERT, "path": f"/models/{ENDS_SCRIPT}", "producer": QUOTES, "notes": [LINES, ALERT]}
    found["model"]["synthetic"] = f"{REVERSED}{ALERT}"
    found["made"]["command"] = ["refnet", "audit", ALERT, LINES]
    found["notes"] = [f"left out: {ALERT}", LINES, REVERSED]
    names = {"conv0": ALERT, "relu0": ENDS_SCRIPT, "plus0": LINES, "fc1": QUOTES, "unit1_sc": REVERSED}
    for layer in found["layers"]:
        layer["name"] = layer["output"] = names.get(layer["name"], layer["name"])
        layer["inputs"] = [names.get(name, name) for name in layer["inputs"]]
    for row in found["tensors"]:
        row["name"] = names.get(row["name"], row["name"])
    found["layers"][0]["attributes"] = {ENDS_SCRIPT: ALERT}
    found["weights"][0] |= {"name": f"{ENDS_SCRIPT}{ALERT}{REVERSED}"}
    found["agreement"]["images"] = [ALERT, LINES]
    found["agreement"]["embeddings"][0]["image"] = ENDS_SCRIPT
    found["findings"]["results"].append(
        _result(ALERT, "found", [_finding("problem", ALERT, [(ENDS_SCRIPT, LINES, REVERSED)])])
    )
    found["findings"] |= {"healthy": False, "problems": 1}
    found["evaluation"]["pairs"] = ALERT
    found["evaluation"]["summary"]["groups"][0]["group"] = ENDS_SCRIPT
    found["evaluation"]["summary"]["groups"][1]["group"] = QUOTES
    found["explained"][0] |= {"a": ALERT, "b": f"{ENDS_SCRIPT}{REVERSED}"}
    return found


def faces() -> dict[str, Any]:
    """A document with an evaluation in groups and one explained pair."""
    found = document()
    found["evaluation"] = _evaluation()
    found["explained"] = [_explained()]
    return found


def large(layers: int = 412) -> dict[str, Any]:
    """A chain as long as the real network, with as many weights."""
    found = document("large.onnx")
    rows = [
        (f"layer{n}", "Conv", [f"layer{n - 1}" if n else "data"], [1, 64, 12, 12], None, None, None)
        for n in range(layers)
    ]
    found["layers"] = [_layer(*row) for row in rows]
    found["tensors"] = [_tensor(number, row) for number, row in enumerate(rows)]
    found["weights"] = [_weight(f"weight{n}", n, "weight", [64, 64, 3, 3]) for n in range(layers)]
    return found


def _layer(
    name: str, op: str, inputs: list[str], shape: list[int], group: str | None, unit: int | None, part: str | None
) -> dict[str, Any]:
    macs = 9 * shape[1] * 1000 if op in ("Conv", "Gemm") else 0
    return {
        "name": name, "op": op, "inputs": inputs, "output": name, "shape": shape,
        "attributes": {"stride": [2, 2], "epsilon": 2e-5} if op == "Conv" else {}, "flops": 2 * macs, "macs": macs,
        "parameters": [], "fast_step": "direct" if macs else None, "of_constants": not inputs, "group": group,
        "unit": unit, "part": part,
    }  # fmt: skip


def _tensor(number: int, row: tuple[Any, ...]) -> dict[str, Any]:
    name, _, inputs, shape, *_ = row
    error = 1e-7 * (number + 1)
    side = {
        "relative_l2": error,
        "max_abs": 10 * error,
        "one_minus_cosine": error**2,
        "floor": 30 * error,
        "reason": "",
    }
    return {
        "name": name,
        "layer": number,
        "kind": "data" if inputs else "constant",
        "shape": shape,
        "fast": {**side, "excess": 0.02 * (number + 1), "verdict": "agrees"},
        "other": {**side, "excess": 0.03 * (number + 1), "verdict": "agrees", "local_relative_l2": error / 2},
        "activation": {**_figures(1000 * (number + 1)), "negatives": 0.5, "channels": shape[1], "dead_channels": []}
        if inputs
        else None,
    }


def _figures(count: int) -> dict[str, Any]:
    return {
        "count": count, "not_finite": 0, "low": -2.5, "high": 3.25, "mean": 0.125, "deviation": 1.5, "zeros": 0.25,
        "histogram": [38, [5, 20, 40, 100, 300, 90, 30, 10]],
    }  # fmt: skip


def _weight(name: str, layer: int, role: str, shape: list[int]) -> dict[str, Any]:
    return {
        "name": name, "layer": layer, "role": role, "shape": shape, **_figures(int(np.prod(shape))), "denormals": 0.0,
        "dead_filters": [], "equal_filters": [], "outlier": None,
    }  # fmt: skip


def _side(name: str, error: float) -> dict[str, Any]:
    output = {
        "name": "fc1", "relative_l2": error, "max_abs": 5e-6, "one_minus_cosine": 1e-12, "floor": 3e-5, "excess": 0.15,
        "verdict": "agrees",
    }  # fmt: skip
    return {
        "name": name, "notes": ["tensors are those of a run node by node"], "agrees": True,
        "summary": f"11 of 11 tensors of {name} agree with float64", "compared": 11, "departures": 0,
        "first_departure": None, "outputs": [output],
    }  # fmt: skip


def _result(name: str, status: str, findings: list[dict[str, Any]] | None = None, reason: str = "") -> dict[str, Any]:
    return {
        "id": name, "group": "model file", "question": f"Is there something about {name}?", "status": status,
        "reason": reason, "findings": findings or [], "threads": ["https://example.org/issues/1"] if findings else [],
    }  # fmt: skip


def _finding(severity: str, sentence: str, evidence: list[tuple[str, str, str]]) -> dict[str, Any]:
    seen = [{"where": where, "found": found, "expected": expected} for where, found, expected in evidence]
    return {"severity": severity, "sentence": sentence, "evidence": seen, "remedy": "put it right"}


def _evaluation() -> dict[str, Any]:
    rates = [(None, 0.0, 1.0), (0.6, 0.0, 0.3), (0.5, 0.01, 0.1), (0.4, 0.1, 0.02), (0.2, 0.5, 0.0), (-0.2, 1.0, 0.0)]
    curve = [
        {
            "threshold": threshold, "fmr": fmr, "fmr_interval": [max(0.0, fmr - 0.005), min(1.0, fmr + 0.01)],
            "fnmr": fnmr, "fnmr_interval": [max(0.0, fnmr - 0.02), min(1.0, fnmr + 0.03)],
        }
        for threshold, fmr, fnmr in rates
    ]  # fmt: skip
    edges = [round(-1 + 0.025 * n, 3) for n in range(81)]
    genuine, impostor = [0] * 80, [0] * 80
    genuine[55:62], impostor[36:44] = [2, 8, 20, 40, 20, 8, 2], [1, 5, 20, 24, 24, 20, 5, 1]
    groups = [
        ("north", 60, 0.95, [0.86, 0.98], 50, 0.02, [0.004, 0.1]),
        ("south", 40, 0.85, [0.71, 0.93], 50, 0.0, [0.0, 0.07]),
        ("one pair", 0, None, [None, None], 1, 1.0, [0.2, 1.0]),
    ]
    return {
        "pairs": "pairs.csv",
        "count": 200,
        "insightface": {
            "accuracy": 0.95, "accuracy_std": 0.01, "correct": 190, "thresholds": [1.4] * 10, "val": 0.9, "val_std": 0.02,
            "far": 0.001, "xnorm": 20.0,
        },
        "omz": {"accuracy": 0.94, "correct": 188, "thresholds": [0.3] * 10},
        "summary": {
            "similarity": "cosine of embeddings", "genuine": 100, "impostor": 100, "auc": 0.985, "auc_interval": [0.97, 0.995],
            "eer": 0.05, "eer_interval": [0.03, 0.08],
            "points": [
                {"target": 0.1, "threshold": 0.4, "far": 0.1, "tar": 0.98},
                {"target": 0.01, "threshold": 0.5, "far": 0.01, "tar": 0.9},
            ],
            "point_intervals": [[0.94, 1.0], [0.8, 0.95]], "refused": [0.001, 0.0001], "resampled": "persons",
            "resamples": 1000, "seed": 0,
            "groups": [
                {
                    "group": group, "genuine": many, "impostor": few, "tar": tar, "tar_interval": tars, "far": far,
                    "far_interval": fars,
                }
                for group, many, tar, tars, few, far, fars in groups
            ],
            "group_point": {"target": 0.01, "threshold": 0.5, "far": 0.01, "tar": 0.9},
        },
        "published": [
            {
                "protocol": "insightface", "value": 0.9977, "source": "the model card", "difference": -0.0477, "p_value": None,
                "why_not": "it was published for other pairs",
            }
        ],
        "single_threshold": {"target": 0.01, "threshold": 0.5, "far": 0.01, "tar": 0.9},
        "cautions": {"omz": "its folds are lopsided"},
        "curve": curve,
        "similarities": {"edges": edges, "genuine": genuine, "impostor": impostor},
    }  # fmt: skip


def face(seed: int) -> str:
    """A crop of noise with a bright middle, as PNG in base64."""
    pixels = np.random.default_rng(seed).integers(0, 120, (112, 112, 3), np.uint8)
    pixels[30:80, 30:80] += 100
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")


def _explained() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    places = list(range(0, 97, 8))
    return {
        "a": "first.png", "b": "second.png", "kind": "genuine", "choice": "hardest", "similarity": 0.62, "threshold": 0.5,
        "occlusion": {
            "square_px": 16, "largest_loss": -0.21, "top_px": 40, "left_px": 40, "squares": 169, "squares_below_threshold": 4,
        },
        "integrated": {
            "baseline_similarity": 0.02, "similarity": 0.62, "sum": 0.6, "relative_error": 0.001, "complete": True, "points": 64,
        },
        "units": [
            {"name": f"unit{n}", "similarity": 0.62 + change, "change": change}
            for n, change in enumerate((-0.1, 0.05, -0.02, 0.01))
        ],
        "robustness": [
            {
                "way": way, "unit": unit, "amounts": [0.0, 1.0, 2.0], "similarities": [0.62, 0.55, 0.4],
                "below_threshold_at": 2.0,
            }
            for way, unit in (("blur", "pixels"), ("noise", "levels"), ("turn", "degrees"), ("shift", "pixels"))
        ],
        "images": {"a": face(2), "b": face(3)},
        "maps": {
            "occlusion": {
                "square_px": 16, "tops_px": places, "lefts_px": places,
                "changes": rng.normal(-0.02, 0.05, (13, 13)).round(4).tolist(),
            },
            "integrated": rng.normal(0, 1e-4, (112, 112)).round(8).tolist(),
        },
    }  # fmt: skip


def without(found: dict[str, Any], *path: str) -> dict[str, Any]:
    """A copy in which the value at the path is None."""
    found = copy.deepcopy(found)
    place = found
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = None
    return found
