"""Write the table of checks of docs/doctor.md from the checks themselves.

    python tools/write_doctor.py

A test compares the page with the checks.
"""

import re
from pathlib import Path

from refnet.audit.doctor.checks import table

PAGE = Path(__file__).parents[1] / "docs" / "doctor.md"


def main() -> None:
    """Replace what stands between the markers."""
    text = PAGE.read_text()
    new, count = re.subn(
        r"(<!-- checks: .*? -->\n).*?(<!-- /checks -->)", lambda m: f"{m[1]}\n{table()}\n{m[2]}", text, flags=re.S
    )
    if count != 1:
        raise SystemExit(f"{PAGE} has {count} tables of checks; expected one")
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
