"""Charts as SVG that stands in the page: drawn by matplotlib, coloured by the page's own names, so that dark is dark.

matplotlib writes colours as numbers. A chart here is drawn in a few colours that stand for a role, and each becomes the
variable of that role (`style.css`); text stays text, in the page's font. No state of pyplot is touched, identifiers
come from a fixed salt, no date is written and no user's settings are read: the same numbers give the same bytes.
"""

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

INK, MUTED, LINE, FAINT = "#0a0001", "#0a0002", "#0a0003", "#0a0004"
OURS, THEIRS, BAD = "#0a0005", "#0a0006", "#0a0007"
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", LINE: "--line", FAINT: "--sunken",
    OURS: "--ours", THEIRS: "--theirs", BAD: "--bad",
}  # fmt: skip
_SETTINGS: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.minor.visible": False,
    "ytick.minor.visible": False,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
}
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


@contextmanager
def drawing(name: str, width: float, height: float) -> "Iterator[Figure]":
    """An empty figure of that many CSS pixels, in the report's style; axes are to be made inside the context."""
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()  # a user's own settings, TeX for text among them, are not the report's
        rcParams.update(_SETTINGS | {"svg.hashsalt": name})
        yield Figure((width / 72, height / 72), layout="constrained")


def as_svg(figure: "Figure", name: str, title: str, titles: Mapping[str, str] | None = None) -> str:
    """The figure as an SVG element; to be called within `drawing`.

    Parameters
    ----------
    name : of the figure, one of its own on the page: its identifiers begin with it.
    title : what it shows, for those who cannot see it.
    titles : {address: what a link to it says}
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(file.getvalue())
    for child in list(root):
        if child.tag == f"{_SVG}metadata":
            root.remove(child)
    for node in root.iter():
        _rewrite(node, name, titles or {})
    for place in [node for node in root.iter() if node.tag == "defs"]:
        for style in place.findall("style"):
            place.remove(style)
    root.attrib = {"viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title, "stroke-linejoin": "round"}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)


def _rewrite(node: ElementTree.Element, name: str, titles: Mapping[str, str]) -> None:
    """Names without their space, identifiers of the figure's own, colours by role, links within the page."""
    node.tag = node.tag.removeprefix(_SVG)
    held = {key.replace(_LINK, ""): value for key, value in node.attrib.items()}
    if node.tag == "g":
        held.pop("id", None)
    if "id" in held:
        held["id"] = f"{name}-{held['id']}"
    if node.tag == "use":
        held["href"] = f"#{name}-{held['href'].removeprefix('#')}"
    if "clip-path" in held:
        held["clip-path"] = held["clip-path"].replace("url(#", f"url(#{name}-")
    if "style" in held:
        held["style"] = _style(held["style"])
    if node.tag == "a":
        held = {"href": held["href"], "tabindex": "-1"}
        if held["href"] in titles:
            title = ElementTree.Element("title")
            title.text = titles[held["href"]]
            node.insert(0, title)
    if node.tag == "path" and "d" in held:
        held["d"] = re.sub(r"\s+", " ", held["d"]).strip()
    node.attrib = held
    if node.text and not node.text.strip():
        node.text = None
    node.tail = None


def _style(style: str) -> str:
    """A declaration in the page's colours and font."""
    style = re.sub(r"font-family: [^;]*;?\s*", "", style)
    return re.sub(
        r"#[0-9a-f]{6}", lambda found: f"var({_VARIABLES[found[0]]})" if found[0] in _VARIABLES else found[0], style
    )


def powers() -> "FuncFormatter":
    """Ticks of a logarithmic axis: powers of ten, in letters that every font has."""
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: power_of_ten(value))


def power_of_ten(value: float) -> str:
    """A power of ten in words of an axis.

    Examples
    --------
    >>> power_of_ten(1e-7), power_of_ten(1.0), power_of_ten(0.1)
    ('10⁻⁷', '1', '0.1')
    """
    if 0.009 < value < 101:
        return f"{value:g}"
    mantissa, power = f"{value:e}".split("e")
    raised = f"10{str(int(power)).translate(_POWERS)}"
    return raised if float(mantissa) == 1 else f"{float(mantissa):g}×{raised}"


def logarithmic(axes: "Axes", which: str) -> None:
    """Make an axis logarithmic, with its ticks in the report's form."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    for name in which:
        axis = axes.xaxis if name == "x" else axes.yaxis
        (axes.set_xscale if name == "x" else axes.set_yscale)("log")
        axis.set_major_locator(LogLocator(10, numticks=9))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(powers())
        axis.set_minor_formatter(NullFormatter())
