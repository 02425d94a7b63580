"""Write the measured parts of docs/kernels.md.

python tools/write_kernels.py ladder machine
python tools/write_kernels.py bench FILE.json      # what refnet bench --json printed
python tools/write_kernels.py start MODEL          # what tools/measure_start.py prints
python tools/write_kernels.py layers MODEL         # what refnet bench --layers prints, for one image
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).parent
PAGE = TOOLS.parent / "docs" / "kernels.md"


def main() -> None:
    """Replace the named blocks."""
    names = sys.argv[1:]
    if names[:1] == ["bench"]:
        put("bench", bench(json.loads(Path(names[1]).read_text())))
        return
    if names[:1] in (["start"], ["layers"]):
        start = [TOOLS / "measure_start.py", names[1]]
        layers = ["-m", "refnet", "bench", names[1], "--layers", "--batch", "1", "--threads", "1"]
        command = [sys.executable, *(start if names[0] == "start" else layers)]
        put(names[0], f"```\n{subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}\n```")
        return
    for name in names:
        script = {"ladder": "ladder.py", "machine": "inspect_kernel.py"}[name]
        done = subprocess.run([sys.executable, TOOLS / script], check=True, capture_output=True, text=True)
        put(name, done.stdout.strip() if name == "ladder" else f"```\n{done.stdout.strip()}\n```")


def put(name: str, content: str) -> None:
    """Replace one block."""
    text, count = re.subn(
        rf"<!-- {name} -->.*?<!-- /{name} -->",
        lambda _: f"<!-- {name} -->\n{content}\n<!-- /{name} -->",
        PAGE.read_text(),
        flags=re.DOTALL,
    )
    if count != 1:
        raise SystemExit(f"{PAGE.name} has {count} blocks named {name}; expected one")
    PAGE.write_text(text)


def bench(measured: dict[str, Any]) -> str:
    """A row for every batch and number of threads, a column for every runtime."""
    rows = measured["rows"]
    versions = {row["runtime"]: row["version"] for row in rows}
    lines = [
        "| batch | threads | " + " | ".join(f"{name} {version}" for name, version in versions.items()) + " |",
        "|---|---|" + "---|" * len(versions),
    ]
    for batch, threads in dict.fromkeys((row["batch"], row["threads"]) for row in rows):
        cells = []
        for name in versions:
            here = [row for row in rows if (row["batch"], row["threads"], row["runtime"]) == (batch, threads, name)]
            cells += [f"{row['milliseconds_per_image']:.1f} ({row['times_as_slow']:.2f}x)" for row in here] or ["-"]
        lines.append(f"| {batch} | {threads} | " + " | ".join(cells) + " |")
    machine = measured["machine"]
    family, model = machine["family_model"]
    where = f"{machine['processor']} (family {family}, model {model}; {', '.join(machine['features'])}), {machine['cores']} cores"
    about = (
        "Median milliseconds an image, full-size LResNet100E-IR in float32, and how many times as long as refnet: the median "
        f"over rounds of the ratio within a round. `refnet bench`, {machine['time'][:10]}; {where}; Python {machine['python']}."
    )
    return "\n".join([*lines, "", about])


if __name__ == "__main__":
    main()
