"""`refnet models verify` and `import`: which model a file is, and whether it is whole."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from refnet import zoo
from refnet.cli.console import complain, out, print_json, say
from refnet.cli.options import JsonFlag
from refnet.errors import ModelError, UsageError
from refnet.files import sha256
from refnet.formats.disguises import refuse_other_files
from refnet.zoo.identify import Identity, departure, identify
from refnet.zoo.place import place


def verify(*targets: str, json: JsonFlag = False) -> int:
    """Say which model a file is, by its size and digest; exit status 3 if one is not what it should be.

    Parameters
    ----------
    targets
        Files, or models whose files in the cache are meant.
    json
        Print JSON on stdout.
    """
    if not targets:
        raise UsageError("nothing to verify; give files, or names of models")
    rows = [row for target in targets for row in _verify(target)]
    if json:
        print_json({"schema_version": 1, "files": rows})
    else:
        for row in rows:
            verdict = f"{row['model']} ({row['note']})" if row["right"] else row["problem"]
            out.print(f"{row['path']}: {'right' if row['right'] else 'WRONG'}: {verdict}")
    wrong = sum(not row["right"] for row in rows)
    if wrong:
        complain(f"{wrong} of {len(rows)} files are not what they should be")
    return ModelError.exit_status if wrong else 0


def import_model(
    file: Path, /, *, as_: Annotated[str | None, Parameter(name="--as")] = None, json: JsonFlag = False
) -> None:
    """Copy a model file that you have into the cache, if its size and digest are those of a card.

    Parameters
    ----------
    file
        The file; its name does not matter.
    as_
        The model it has to be.
    json
        Print JSON on stdout.
    """
    expected = zoo.find_card(as_) if as_ else None
    try:
        refuse_other_files(file)
    except ModelError as error:
        raise ModelError(f"{file} is not imported: {error}") from error
    found = identify(file)
    if found is None or (expected and found.card != expected):
        raise ModelError(f"{file} is not imported: {_problem(file, found, expected)}")
    zoo.refuse_unsupported(found.card)
    if not isinstance(found.file, zoo.ModelFile):
        raise ModelError(
            f"{file} is not imported: it is {found.card.name} with synthetic weights; give its path to --model"
        )
    target = zoo.model_folder(found.card) / found.file.name
    if target.is_file() and identify(target) == found:
        say(f"{found.card.name} ({found.note}) is there already")
    else:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {target.parent}: {(error.strerror or '').lower()}") from error
        place(file, target, found.file)
        say(f"{file} is {found.card.name} ({found.note})")
    if json:
        print_json({"schema_version": 1, "model": found.card.name, "note": found.note, "path": str(target)})
    else:
        out.print(str(target))


def _verify(target: str) -> list[dict[str, str | bool | None]]:
    """A row for each file that is meant."""
    path = Path(target)
    if path.exists():
        return [_row(path, None)]
    card = next((card for card in zoo.cards() if target in card.names), None)
    if card is None:
        return [{"path": target, "right": False, "problem": "there is no such file, and no model of that name"}]
    made = [zoo.synthetic_path(card, entry.seed, entry.spatial) for entry in card.synthetic]
    here = zoo.present_files(card) + [path for path in made if path.exists()]
    if not here:
        folder = zoo.model_folder(card)
        return [{"path": str(folder / card.files[0].name), "right": False, "problem": "it is not on this machine"}]
    return [_row(path, card) for path in here]


def _row(path: Path, expected: zoo.Card | None) -> dict[str, str | bool | None]:
    """What one file is."""
    try:
        found = identify(path)
        right = found is not None and expected in (None, found.card)
        problem = None if right else _problem(path, found, expected)
    except ModelError as error:
        return {"path": str(path), "right": False, "problem": str(error)}
    return {
        "path": str(path),
        "right": right,
        "model": found.card.name if found else None,
        "note": found.note if found else None,
        "problem": problem,
    }


def _problem(path: Path, found: Identity | None, expected: zoo.Card | None) -> str:
    """Why a file is not what it should be."""
    if found:
        return f"it is {found.card.name} ({found.note}), not {expected.name if expected else 'that'}"
    namesakes = [file for card in zoo.cards() for file in card.files if file.name == path.name]
    files = list(expected.files) if expected else namesakes
    if files:
        return f"it is not {files[0].name.removesuffix('.onnx')}: {departure(path, files)}"
    try:
        refuse_other_files(path)
    except ModelError as error:
        return str(error)
    return f"no card's file has its size and digest ({path.stat().st_size:,} bytes, sha256 {sha256(path)})"
