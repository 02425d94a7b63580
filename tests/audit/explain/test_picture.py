"""The sheet that `refnet explain` draws: nothing is cut off or drawn over, whatever the names and the numbers."""

import io
import itertools
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from refnet.audit.explain.explanation import Explanation
from refnet.audit.explain.labels import drawable, shortened
from refnet.audit.explain.occlusion import Occlusion
from refnet.audit.explain.picture import explanation_picture, write_picture
from refnet.audit.explain.robustness import WAYS, Curve
from refnet.audit.explain.sensitivity import Attribution
from refnet.audit.explain.units import WithoutUnit
from refnet.errors import MissingExtraError
from refnet.zoo.samples import sample_crops

A, B = sample_crops()
HOSTILE = "$\\frac{1}{0}$ <b>[red]\n\x1b[31m脸" * 4


def explained(units=49, lowest=-0.3):
    """Made up, with the shape of a real one."""
    rng = np.random.default_rng(7)
    places = np.arange(0, 97, 16)
    curves = [
        Curve(name, way.unit, way.amounts, tuple(np.linspace(0.7, lowest, len(way.amounts))))
        for name, way in WAYS.items()
    ]
    return Explanation(
        A,
        B,
        0.7,
        Occlusion(rng.normal(size=(7, 7)), places, places, 16, 0.7),
        rng.normal(size=A.shape),
        Attribution(rng.normal(size=A.shape), 0.1, 0.7, 5),
        [WithoutUnit(f"a_long_name_of_a_unit_plus{n}", 0.7 + rng.normal()) for n in range(units)],
        curves,
    )


def drawn(explanation, **words):
    """The figure, laid out."""
    figure = explanation_picture(explanation, **words)
    FigureCanvasAgg(figure).draw()
    return figure


def texts(figure):
    """(words, box in pixels) of everything written."""
    renderer = figure.canvas.get_renderer()
    seen = [text for text in figure.findobj(lambda it: hasattr(it, "get_text")) if text.get_visible()]
    hidden = {label for axes in figure.get_axes() for axis in (axes.xaxis, axes.yaxis) for label in beyond(axis)}
    written = [text for text in seen if text.get_text().strip() and text not in hidden]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in written]


def beyond(axis):
    """The labels of ticks that lie outside what is shown; matplotlib has them, and does not draw them."""
    low, high = sorted(axis.get_view_interval())
    return [
        label
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        if not low <= place <= high
    ]


@pytest.mark.parametrize("name", ["a.png", HOSTILE])
def test_no_words_leave_the_sheet_or_lie_on_others(name):
    figure = drawn(explained(), threshold=0.35, a=name, b=name, words=f"{name}, sha256 0123, fast engine")
    found = texts(figure)
    assert len(found) > 90
    for words, box in found:
        assert box.x0 >= 0, words
        assert box.y0 >= 0, words
        assert box.x1 <= figure.bbox.x1, words
        assert box.y1 <= figure.bbox.y1, words
    for (one, first), (two, second) in itertools.combinations(found, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert min(across, down) < 2, (one, two)


def test_the_first_line_says_on_which_side_of_the_threshold_the_pair_lies():
    def first_line(threshold):
        return explanation_picture(explained(), threshold).get_suptitle()

    assert first_line(None) == "Similarity 0.7000"
    assert first_line(0.7) == "Similarity 0.7000, at least the threshold 0.7"
    assert first_line(0.71) == "Similarity 0.7000, below the threshold 0.71"


def test_what_was_not_asked_for_is_not_drawn():
    words = [text for text, _ in texts(drawn(Explanation(A, B, 0.5), a="a.png"))]
    assert "A  a.png" in words
    assert not any(text.startswith(("Occlusion", "Integrated", "Gradient", "blur", "Units")) for text in words)


def test_maps_of_zeros_are_drawn():
    nothing = Explanation(
        A, B, 1.0, Occlusion(np.zeros((1, 1)), np.array([0]), np.array([0]), 112, 1.0), np.zeros(A.shape),
        Attribution(np.zeros(A.shape), 1.0, 1.0, 5), [WithoutUnit("only", 1.0)], None,
    )  # fmt: skip
    drawn(nothing)


def test_the_picture_does_not_depend_on_the_style_of_the_user():
    import matplotlib

    plain, styled = io.BytesIO(), io.BytesIO()
    write_picture(plain, explained(3))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.bbox": "tight"}):
        write_picture(styled, explained(3))
    assert plain.getvalue() == styled.getvalue()
    with Image.open(plain) as picture:
        assert (picture.format, picture.width) == ("PNG", 1950)


def test_without_matplotlib_the_line_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "refnet\[report\]"'):
        explanation_picture(explained())


def test_names_are_written_so_that_every_character_can_be_seen():
    assert drawable("é_b.png") == "é_b.png"
    assert drawable("a\nb\x1b脸") == "a\\nb\\x1b\\u8138"


@pytest.mark.parametrize("longest", [5, 6, 26])
def test_long_names_keep_both_ends(longest):
    name = "0123456789abcdefghijklmnopqrstuvwxyz"
    short = shortened(name, longest)
    assert len(short) == longest
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert shortened(name, 36) == name
