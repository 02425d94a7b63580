"""`refnet models list`, `info` and `path`: what is known of models, and where they lie."""

from refnet import zoo
from refnet.cli.console import out, print_json
from refnet.cli.options import JsonFlag
from refnet.zoo.cards import Card, ModelFile, Port


def list_models(*names: str, json: JsonFlag = False) -> None:
    """List the models refnet knows, and which of their files are on this machine.

    Files are not read: `refnet models verify` does that.

    Parameters
    ----------
    names
        Names, aliases or patterns such as 'w600k_*', also several between commas. Default: all.
    """
    rows = []
    for card in zoo.select(names or ("*",)):
        published = [str(path) for path in zoo.present_files(card)]
        made = [zoo.synthetic_path(card, entry.seed, entry.spatial) for entry in card.synthetic]
        rows.append((card, published[0] if published else None, [str(path) for path in made if path.exists()]))
    if json:
        listed = [
            {"name": card.name, "title": card.title, "licence": card.licence, "refused": card.refused or None, "file": published_path, "synthetic": synthetic_paths}
            for card, published_path, synthetic_paths in rows
        ]  # fmt: skip
        print_json({"schema_version": 1, "models": listed})
        return
    for card, published_path, synthetic_paths in rows:
        out.print(f"{card.name}: {card.title}; {card.licence}")
        if card.refused:
            out.print(f"  refused: {card.refused}")
        lines = ([published_path] if published_path else []) + [
            f"{path} (synthetic weights)" for path in synthetic_paths
        ]
        for line in lines or ["not on this machine"]:
            out.print(f"  {line}")


def info(name: str, /, *, json: JsonFlag = False) -> None:
    """Print what is known of a model: files, input, output, licence, published figures.

    Parameters
    ----------
    name
        A card's name or alias.
    """
    card = zoo.find_card(name)
    if json:
        print_json({"schema_version": 1, "card": card.to_json()})
        return
    for label, value in _lines(card):
        out.print(f"{label:<12} {value}")


def path(name: str, /) -> None:
    """Print where a model's file lies.

    Parameters
    ----------
    name
        A card's name or alias, such as arcfaceresnet100-8.
    """
    zoo.find_card(name)
    out.print(str(zoo.resolve(name)))


def _lines(card: Card) -> list[tuple[str, str]]:
    """The card, line by line."""
    lines = [("name", ", ".join(card.names)), ("title", card.title)]
    if card.refused:
        lines.append(("refused", card.refused))
    lines += [("home", card.home), ("licence", card.licence), ("trained on", card.training)]
    lines += [("input", _port(card.input)), ("output", _port(card.output))]
    if card.gflops is not None:
        lines.append(("cost", f"{card.gflops:.4f} GFLOPs, {card.mparams:.4f} MParams ({card.cost_source})"))
    for figure in card.figures:
        what = f"{figure.value:.5g} {figure.metric} on {figure.dataset}, {figure.pairs:,} pairs, protocol {figure.protocol}"
        lines.append(("published", f"{what} ({figure.source})"))
    lines += [("note", note) for note in card.notes]
    for file in card.files:
        lines += _file(file)
    for made in card.synthetic:
        lines.append(("synthetic", f"seed {made.seed}, spatial = {made.spatial}: {made.size_bytes:,} bytes"))
        lines.append(("  sha256", made.sha256))
    return lines


def _port(port: Port) -> str:
    """An input or output in one line."""
    parts = [port.name or "(name not known)", port.shape, port.channels, port.values]
    return "; ".join(part for part in parts if part)


def _file(file: ModelFile) -> list[tuple[str, str]]:
    """A file's lines; what is not known is said to be so."""
    return [
        ("file", f"{file.name} ({file.note}): {file.size_bytes:,} bytes"),
        ("  sha256", file.sha256 or "not known"),
        ("  sha384", file.sha384 or "not known"),
        *(("  mirror", url) for url in file.mirrors),
    ]
