import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from refnet.audit.report.page.agreement_chart import agreement_chart
from refnet.audit.report.page.chart import INK, as_svg, drawing
from refnet.audit.report.page.evaluation_charts import det_chart, deviate, roc_chart, similarity_chart
from refnet.audit.report.page.explained_charts import map_png, occlusion_values, robustness_chart, units_chart
from refnet.audit.report.page.groups import Scale, group_scales
from tests.audit.report.page import documents

FACES = documents.faces()
PAIR = FACES["explained"][0]
CHARTS = {
    "agreement": agreement_chart(FACES),
    "roc": roc_chart(FACES["evaluation"]),
    "det": det_chart(FACES["evaluation"]),
    "similarities": similarity_chart(FACES["evaluation"]),
    "robustness-0": robustness_chart(PAIR["robustness"], 0.5, "robustness-0"),
    "units-0": units_chart(PAIR["units"], "units-0"),
}


def points(svg: str, colour: str) -> list[tuple[float, float]]:
    """The corners of the line of a colour."""
    line = next(
        node
        for node in ElementTree.fromstring(svg).iter("path")
        if f"stroke: var(--{colour})" in node.get("style", "") and "fill: none" in node.get("style", "")
    )
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] (\S+) (\S+)", line.get("d", ""))]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_has_no_colour_of_its_own_and_its_words_are_text(name: str) -> None:
    svg = CHARTS[name]

    assert not re.search(
        r"#[0-9a-fA-F]{3,6}\b(?=[;\"])|rgb\(|font-family|<style|<metadata|xmlns", svg.replace('href="#', "")
    )
    assert "<text" in svg
    assert ElementTree.fromstring(svg).get("aria-label")


@pytest.mark.parametrize("name", CHARTS)
def test_the_identifiers_of_a_chart_begin_with_its_name_and_are_found(name: str) -> None:
    svg = CHARTS[name]
    identifiers = re.findall(r' id="([^"]+)"', svg)

    assert len(identifiers) == len(set(identifiers))
    assert all(identifier.startswith(f"{name}-") for identifier in identifiers)
    assert set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'<use href="#([^"]+)"', svg)) <= set(identifiers)


def test_charts_do_not_depend_on_what_was_drawn_before() -> None:
    assert agreement_chart(FACES) == CHARTS["agreement"]
    assert det_chart(FACES["evaluation"]) == CHARTS["det"]


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    with drawing("x", 100, 100) as figure:
        figure.subplots().plot([0, 1], [0, 1], color=INK)
        as_svg(figure, "x", "words")
    assert dict(matplotlib.rcParams) == before


def test_settings_of_a_user_change_no_byte() -> None:
    import matplotlib

    with matplotlib.rc_context(
        {"text.usetex": True, "axes.facecolor": "red", "lines.linewidth": 9, "svg.fonttype": "path"}
    ):
        assert agreement_chart(FACES) == CHARTS["agreement"]


def test_a_size_of_a_figure_is_in_pixels_of_the_page() -> None:
    with drawing("x", 420, 130) as figure:
        assert 'viewBox="0 0 420 130"' in as_svg(figure, "x", "words")


def test_every_layer_that_was_compared_has_a_mark_that_leads_to_it() -> None:
    found = re.findall(r'<a href="#layer-(\d+)" tabindex="-1"><title>([^<]*)</title>', CHARTS["agreement"])

    compared = {(str(row["layer"]), row["name"]) for row in FACES["tensors"] if row["kind"] == "data"}
    assert set(found) == compared
    assert len(found) == 3 * len(compared)  # either side's gathered error, and what the other runtime's layer added


def test_without_another_runtime_one_axis_is_left_and_without_any_error_none() -> None:
    alone = documents.sick()
    assert agreement_chart(alone).count("relative error") == 1

    for row in alone["tensors"]:
        row["fast"] |= {"relative_l2": None}
    assert agreement_chart(alone) == ""


def test_what_is_equal_to_the_last_bit_still_has_a_mark() -> None:
    exact = documents.document()
    for row in exact["tensors"]:
        row["fast"] |= {"relative_l2": 0.0, "floor": 0.0}
        row["other"] |= {"relative_l2": 0.0, "local_relative_l2": 0.0, "floor": 0.0}

    assert agreement_chart(exact).count("<a ") == 30


def test_the_roc_is_a_staircase_from_the_left_to_a_false_match_rate_of_one() -> None:
    corners = points(CHARTS["roc"], "ours")

    x, y = np.array(corners).T
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) <= 0).all()  # upwards, on a screen
    assert ((np.diff(x) == 0) | (np.diff(y) == 0)).all()
    # 0.01, 0.1, 0.5 and 1 on a logarithmic axis
    rates = sorted(set(np.round((x - x.max()) / (x.max() - x.min()) * 2, 3)))
    assert rates == pytest.approx(np.log10([0.01, 0.1, 0.5, 1]), abs=2e-3)


def test_deviates_are_those_of_the_normal_distribution() -> None:
    assert deviate(0.8413447460685429) == pytest.approx(1.0)  # one standard deviation
    assert deviate(0.0) == deviate(1e-9) == pytest.approx(-deviate(1.0))  # as far as the axes go


def test_a_det_with_one_point_and_curves_without_errors_are_drawn() -> None:
    perfect = documents.faces()["evaluation"]
    perfect["curve"] = [
        {"threshold": None, "fmr": 0.0, "fmr_interval": [0.0, 0.04], "fnmr": 1.0, "fnmr_interval": [0.96, 1.0]},
        {"threshold": 0.5, "fmr": 0.0, "fmr_interval": [0.0, 0.04], "fnmr": 0.0, "fnmr_interval": [0.0, 0.04]},
        {"threshold": -0.5, "fmr": 1.0, "fmr_interval": [0.96, 1.0], "fnmr": 0.0, "fnmr_interval": [0.0, 0.04]},
    ]
    assert det_chart(perfect) == ""
    assert "ROC" in roc_chart(perfect)

    perfect["curve"][1] |= {"fmr": 0.3, "fnmr": 0.2}
    assert "DET" in det_chart(perfect)


def test_a_histogram_of_one_bin_and_one_without_any_pair_are_drawn() -> None:
    found = documents.faces()["evaluation"]
    found["similarities"]["genuine"] = [0] * 80
    found["similarities"]["impostor"] = [0] * 79 + [5]

    assert "similarity" in similarity_chart(found)


def test_a_map_is_blue_where_it_is_above_zero_and_red_below() -> None:
    import base64
    import io

    from PIL import Image

    values = np.zeros((112, 112))
    values[:56], values[56:] = 2.0, -2.0
    png, scale = map_png(documents.face(0), values)

    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        pixels = np.asarray(image, np.int64)
    assert scale == 2.0
    assert (pixels[:56, :, 2] > pixels[:56, :, 0]).all()
    assert (pixels[56:, :, 0] > pixels[56:, :, 2]).all()


def test_occlusion_is_the_mean_loss_of_the_squares_over_each_pixel() -> None:
    covered = {"square_px": 2, "tops_px": [0, 1], "lefts_px": [0], "changes": [[-0.25], [-0.75]]}

    assert occlusion_values(covered, 3, 2).tolist() == [[0.25, 0.25], [0.5, 0.5], [0.75, 0.75]]


def test_intervals_of_groups_share_one_scale() -> None:
    scales = group_scales(FACES)

    assert scales["tar"] == Scale(0.71, 0.98)
    assert scales["far"] == Scale(0.0, 1.0)
    assert (scales["tar"](0.71), scales["tar"](0.98)) == (6, 194)
    assert Scale(0.5, 0.5)(0.5) == 6
