"""The ledger: what is in it stays, whatever happens; what does not belong to it is refused."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from refnet.bulk.ledger import Ledger, ledger_path
from refnet.bulk.prepared import FoundFace, Prepared, Stamp
from refnet.errors import UsageError

SETTINGS = {"model": "m", "pipeline": "p"}
STAMP = Stamp(1, 2)
CROP = np.zeros((3, 2, 2), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ledger_path(tmp_path / "out.npz")


def image(name: str, faces: int = 1, stamp: Stamp = STAMP, reason: str = "") -> tuple[Prepared, np.ndarray]:
    found = tuple(FoundFace(CROP, (1.0, 2.0, 3.0, 4.5), np.arange(10).reshape(5, 2) / 4, 0.75) for _ in range(faces))
    rows = np.arange(4 * faces, dtype=np.float32).reshape(faces, 4) + len(name)
    return Prepared(name, stamp, found, reason), rows


def test_rows_come_back_in_the_order_of_names_with_all_that_was_found(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("b"), image("a", faces=2)])
        ledger.add([image("\udcff.jpg"), image("c", 0, reason="no face")])
        rows = [*ledger.rows()]
        assert [(row.name, row.face, row.faces) for row in rows] == [
            ("a", 1, 2),
            ("a", 2, 2),
            ("b", 1, 1),
            ("\udcff.jpg", 1, 1),
        ]
        assert np.array_equal(rows[1].embedding, np.arange(4, 8, dtype=np.float32) + 1)
        assert rows[0].box is not None
        assert rows[0].landmarks is not None
        assert rows[0].box.tolist() == [1, 2, 3, 4.5]
        assert np.array_equal(rows[0].landmarks, np.arange(10).reshape(5, 2) / 4)
        assert rows[0].score == 0.75
        assert [*ledger.failures()] == [("c", "no face")]
        assert (ledger.images(), ledger.faces()) == (4, 4)


def test_a_face_without_a_detector_has_no_box(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([(Prepared("a", Stamp(1, 1), (FoundFace(CROP),)), np.ones((1, 3), np.float32))])
        (row,) = ledger.rows()
        assert (row.box, row.landmarks, row.score) == (None, None, None)


def test_an_image_is_done_once_until_its_file_changes(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        assert not ledger.has("a", Stamp(1, 2))
        ledger.add([image("a", faces=3)])
        assert ledger.has("a", Stamp(1, 2))
        assert not ledger.has("a", Stamp(1, 3))
        assert not ledger.has("a", Stamp(2, 2))
        ledger.add([image("a", faces=1, stamp=Stamp(2, 2))])
        assert ledger.faces() == 1


def test_a_later_run_has_what_it_asks_for_and_nothing_else(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a"), image("b")])
    with Ledger(path, SETTINGS) as ledger:
        assert ledger.images() == 0
        assert ledger.has("b", Stamp(1, 2))
        assert [row.name for row in ledger.rows()] == ["b"]


def test_other_settings_are_refused_and_what_is_there_stays(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a")])
    with pytest.raises(
        UsageError, match=r"was begun with other settings \(model was 'm', and is 'n'\); finish it with"
    ):
        Ledger(path, {**SETTINGS, "model": "n"})
    with Ledger(path, SETTINGS) as ledger:
        assert ledger.has("a", Stamp(1, 2))


def test_a_second_process_is_refused_while_the_first_works(path: Path) -> None:
    code = f"""
        from pathlib import Path
        from refnet.bulk.ledger import Ledger
        from refnet.errors import UsageError
        try:
            Ledger(Path({str(path)!r}), {SETTINGS!r})
        except UsageError as error:
            print(error)
    """
    with Ledger(path, SETTINGS):
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "is in use: another process is writing this output" in done.stdout


RACE = """
import os, sys, time
from pathlib import Path
from refnet.bulk.ledger import Ledger
from refnet.errors import UsageError
rounds, processes = 30, int(sys.argv[2])
for n in range(rounds):
    path, start = Path(sys.argv[1]) / f"{n}.npz.partial", time.time() + 0.03
    children = []
    for _ in range(processes):
        child = os.fork()
        if not child:
            time.sleep(max(0, start - time.time()))
            try:
                with Ledger(path, {}):
                    time.sleep(0.1)
            except UsageError as error:
                os._exit(2 if "is in use: another process is writing this output" in str(error) else 3)
            os._exit(0)
        children.append(child)
    print(*sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.parametrize("processes", [2, 4])
def test_of_processes_that_begin_at_once_one_goes_on_and_nothing_is_left(tmp_path: Path, processes: int) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path), str(processes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rounds = [[int(status) for status in line.split()] for line in done.stdout.splitlines()]
    assert len(rounds) == 30
    assert all(statuses[0] == 0 and set(statuses) <= {0, 2} for statuses in rounds)
    assert sum(statuses.count(2) for statuses in rounds) > 15 * (processes - 1)
    assert not [*tmp_path.iterdir()]


def test_a_restart_leaves_the_ledger_of_a_process_that_works(path: Path) -> None:
    code = f"""
        from pathlib import Path
        from refnet.bulk.ledger import Ledger
        from refnet.errors import UsageError
        try:
            Ledger(Path({str(path)!r}), {SETTINGS!r}, restart=True)
        except UsageError as error:
            print(error)
    """
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a")])
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
        assert "is in use" in done.stdout
        assert path.exists()
    with Ledger(path, SETTINGS, restart=True) as ledger:
        assert not ledger.has("a", STAMP)


def test_what_is_done_is_taken_up_a_thousand_images_a_transaction(path: Path) -> None:
    names = [f"{n}" for n in range(5500)]
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image(name) for name in names])
    with Ledger(path, SETTINGS) as ledger:
        statements: list[str] = []
        ledger._database.set_trace_callback(statements.append)
        assert all(ledger.has(name, STAMP) for name in names)
        assert statements.count("COMMIT") == 5
        ledger.add([image("new")])
        assert statements.count("COMMIT") == 6
        assert (ledger.images(), ledger.faces()) == (5501, 5501)
        assert all(ledger.has(name, STAMP) for name in names[:50])
        assert statements.count("COMMIT") == 6


@pytest.mark.parametrize("question", ["images", "faces", "rows", "failures"])
def test_a_question_about_a_run_counts_what_was_taken_up_last(path: Path, question: str) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a"), image("b", 0, reason="no face")])
    with Ledger(path, SETTINGS) as ledger:
        assert ledger.has("a", STAMP)
        assert ledger.has("b", STAMP)
        answer = getattr(ledger, question)()
        assert (answer if isinstance(answer, int) else len([*answer])) == (2 if question == "images" else 1)


def test_what_was_added_survives_a_kill(path: Path) -> None:
    code = f"""
        import os, signal
        import numpy as np
        from pathlib import Path
        from refnet.bulk.ledger import Ledger
        from refnet.bulk.prepared import FoundFace, Prepared, Stamp
        ledger = Ledger(Path({str(path)!r}), {SETTINGS!r})
        face = FoundFace(np.zeros((3, 2, 2), np.uint8))
        for n in range(7):
            ledger.add([(Prepared(f"{{n}}", Stamp(n, n), (face,)), np.ones((1, 3), np.float32))])
        ledger._database.execute("BEGIN")
        ledger._database.execute("DELETE FROM images")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Ledger(path, SETTINGS) as ledger:
        assert all(ledger.has(f"{n}", Stamp(n, n)) for n in range(7))


def test_a_file_that_is_no_ledger_is_refused(path: Path) -> None:
    path.write_bytes(b"something else" * 100)
    with pytest.raises(
        UsageError, match=r"is damaged, or not refnet's \(file is not a database\); begin anew with --restart"
    ):
        Ledger(path, SETTINGS)
    assert path.read_bytes().startswith(b"something else")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write .*no such file or directory"):
        Ledger(tmp_path / "absent" / "out.partial", SETTINGS)


def test_an_empty_ledger_leaves_nothing_behind_and_a_finished_one_neither(path: Path) -> None:
    with Ledger(path, SETTINGS):
        pass
    assert not [*path.parent.iterdir()]
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a")])
        ledger.remove()
    assert not [*path.parent.iterdir()]


def interrupted(path: Path) -> None:
    with Ledger(path, SETTINGS) as ledger:
        ledger.add([image("a")])
        raise KeyboardInterrupt


def test_an_interrupted_ledger_stays(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    with Ledger(path, SETTINGS) as ledger:
        assert ledger.has("a", STAMP)
