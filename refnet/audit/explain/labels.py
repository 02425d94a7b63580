"""Names of files as words in a picture: of any length and in any script."""

import functools

LONGEST = 20


@functools.cache
def _drawn() -> frozenset[int]:
    """The characters that matplotlib's own font has."""
    from matplotlib import font_manager

    return frozenset(font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap())


def drawable(text: str) -> str:
    """The text with what the font lacks, or what cannot be seen, as escapes; so nothing is drawn as an empty box."""
    return "".join(c if c.isprintable() and ord(c) in _drawn() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """The beginning and the end, where the text is longer.

    Examples
    --------
    >>> shortened("a_very_long_name_of_a_file_0001.jpg", 21)
    'a_very_lon…e_0001.jpg'
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - 1 - half]}…{text[-half:]}"
