"""What a reader says it changed."""


class Notes:
    """What a reader changed on the way in: one sentence for each kind of change, with the first place and a count."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, sentence: str, place: str) -> None:
        """Note that something was done at a place."""
        self._places.setdefault(sentence, []).append(place)

    def sentences(self) -> tuple[str, ...]:
        """One line for each kind of change, in the order of their first occurrence."""
        return tuple(
            f"{places[0]}{f' and {len(places) - 1} more' if len(places) > 1 else ''}: {sentence}"
            for sentence, places in self._places.items()
        )
