"""How the page writes what it is given: hostile text made visible, and numbers as people read them."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

MISSING = "–"
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_PREFIXES = ("", "k", "M", "G", "T", "P")


def visible(text: str) -> str:
    r"""The same text with nothing in it that acts: what cannot be seen stands as its escape sequence.

    Control, format (the right-to-left override among them), surrogate, private and unassigned characters, and line and
    paragraph separators, are written as Python writes them. Markup is the template's to escape, not this function's.

    Examples
    --------
    >>> visible("a\nb\u202egnp.exe")
    'a\\nb\\u202egnp.exe'
    """
    return "".join(_escaped(letter) if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)


def _escaped(letter: str) -> str:
    return letter if letter == " " else letter.encode("unicode_escape").decode("ascii")


def all_visible(value: Any) -> Any:
    """The same value of JSON's types with every text and key in it made visible."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): all_visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(item) for item in value]
    return value


def whole(value: float | None) -> str:
    """A count with its thousands apart.

    Examples
    --------
    >>> whole(65156160)
    '65,156,160'
    """
    return MISSING if value is None else f"{value:,.0f}"


def short(value: float | None, digits: int = 3) -> str:
    """A number in few digits: plain where it is near 1, else with its power of ten.

    Examples
    --------
    >>> short(0.25), short(3.21e-7), short(0.0), short(-12345.0)
    ('0.25', '3.21e-7', '0', '-1.23e4')
    """
    if value is None:
        return MISSING
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(power)}"


def fixed(value: float | None, decimals: int = 2) -> str:
    """A number with as many decimals as its neighbours in a column.

    Examples
    --------
    >>> fixed(0.2), fixed(3)
    ('0.20', '3.00')
    """
    return MISSING if value is None else f"{value:,.{decimals}f}"


def large(value: float | None, unit: str = "") -> str:
    """A large amount with a prefix in front of its unit.

    Examples
    --------
    >>> large(24_210_000_000, "FLOP"), large(512), large(260_000_000, "B")
    ('24.2 GFLOP', '512', '260 MB')
    """
    if value is None:
        return MISSING
    size, step = float(value), 0
    while abs(size) >= 999.5 and step < len(_PREFIXES) - 1:
        size, step = size / 1000, step + 1
    said = f"{size:.3g}"
    tail = f"{_PREFIXES[step]}{unit}"
    return f"{said} {tail}" if tail else said


def share(value: float | None) -> str:
    """A fraction of 1 as a percentage; what is not quite none or all is not written as none or all.

    Examples
    --------
    >>> share(0.5), share(0.00001), share(1.0), share(0.99999)
    ('50.0 %', '< 0.1 %', '100 %', '> 99.9 %')
    """
    if value is None:
        return MISSING
    if value in (0, 1):
        return f"{value:.0%}".replace("%", " %")
    if value < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if value > 0.999 else f"{100 * value:.1f} %"


def moment(text: str) -> str:
    """A time as people read it, to the minute.

    Examples
    --------
    >>> moment("2026-01-02T03:04:05+00:00")
    '2 January 2026, 03:04 UTC'
    """
    at = datetime.fromisoformat(text).astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} UTC"


def shape(value: Any) -> str:
    """Extents with a cross between them; a free one is a star.

    Examples
    --------
    >>> shape([1, 64, 112, 112]), shape([None, 512]), shape([])
    ('1×64×112×112', '*×512', 'one number')
    """
    if value is None:
        return MISSING
    return "×".join("*" if extent is None else str(extent) for extent in value) or "one number"
