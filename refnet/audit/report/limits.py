"""What a report of this kind cannot say, in sentences that stand in every one."""

from typing import Any


def limits(model: dict[str, Any], images: int, other: str | None, *, evaluated: bool) -> list[str]:
    """The sentences that hold for one report.

    Parameters
    ----------
    model : the document's section.
    images : how many images the float64 network was run on.
    other : the other runtime's name; None if there was none.
    evaluated : whether accuracy was measured.
    """
    said = []
    if model["synthetic"]:
        said.append(
            "The weights are synthetic: the numbers show that the arithmetic is right, and nothing about faces."
        )
    said.append(
        f"Agreement and activations were measured on {images} image{'s' * (images != 1)}. Rounding depends little on the "
        "image, saturation and dead channels do: other images may show what these do not."
    )
    said.append(
        f"Float64 is refnet's own reading of the file. That this reading is the common one is witnessed by {other}."
        if other
        else "Float64 is refnet's own reading of the file. No other runtime was at hand to witness that it is the common one."
    )
    said.append(
        "The doctor knows the mistakes it asks about. That it finds none of them does not prove that there is none."
    )
    said.append(
        "Accuracy was measured on the pairs given: it holds for faces like those, prepared like those, and its intervals tell "
        "of chance alone, not of how unlike other faces are."
        if evaluated
        else "Whether the model tells persons apart was not measured."
    )
    return said
