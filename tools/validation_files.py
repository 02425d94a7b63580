"""The section of docs/validation.md about damaged files, from what tools/fuzz_files.py has counted.

    python tools/fuzz_files.py --summary tools/fuzz_files.json
    python tools/validation_files.py

The second puts the section into the page as it is; tools/write_validation.py does too.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SUMMARY = Path(__file__).with_name("fuzz_files.json")
PAGE = Path(__file__).parents[1] / "docs" / "validation.md"
TITLE = "## Damaged files"


def section() -> Iterator[str]:
    """The lines of the section; none where nothing has been counted."""
    if not SUMMARY.exists():
        return
    found = json.loads(SUMMARY.read_text())
    yield from [TITLE, "", *TEXT.splitlines(), ""]
    yield "| kind | inputs | read | refused | traceback, hang, crash, growth, wrong |"
    yield "|---|---|---|---|---|"
    groups: dict[str, Counter[str]] = {}
    for title, count in found["kinds"].items():
        groups.setdefault(
            "pictures, every decoder of Pillow" if title.startswith("picture ") else title, Counter()
        ).update(count)
    for title, count in groups.items():
        total, read, refused = sum(count.values()), count["read"], count["refused"]
        yield f"| {title} | {total:,} | {read:,} | {refused:,} | {total - read - refused} |"
    yield from ["", f"{found['line']}."]


TEXT = """`tools/fuzz_files.py` makes small sound files of every kind that refnet reads, damages them (bits, cuts, splices, lengths,
first bytes, repetitions, extreme numbers; also inside archives and behind checksums, which are then put right), and gives
each to refnet's own reader. Right is a result, where the damage is such as nobody can see, or an error of refnet's that names
the file. A reader may take 20 seconds and 1 GiB of memory. Input number n of a seed is always the same file."""


def main() -> None:
    """Replace the section in the page, or put it at the end."""
    before, _, rest = PAGE.read_text().partition(f"{TITLE}\n")
    after = rest[rest.find("\n## ") + 1 :] if "\n## " in rest else ""
    PAGE.write_text(f"{before.rstrip()}\n\n" + "\n".join(section()) + "\n" + (f"\n{after}" if after else ""))
    print(PAGE)


if __name__ == "__main__":
    main()
