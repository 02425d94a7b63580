import logging
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from refnet.fast import cache_folder
from refnet.fast.weights_cache import graph_digest, packed_weights, weights_key
from refnet.graph import Graph, Node, Source, Tensor

needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs owners and modes of files")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("REFNET_CACHE_DIR", str(tmp_path))
    cache_folder.say_once.cache_clear()
    return tmp_path / "weights"


class Packer:
    """Packs weights, and counts how often it was asked to."""

    def __init__(self, count=1000, seed=0):
        self.weights = np.random.default_rng(seed).normal(size=count).astype(np.float32)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return self.weights.copy()


def graph(**changes):
    image, embedding = Tensor("x", "float32", (1, 3)), Tensor("y", "float32", (1, 3))
    said = {
        "name": "tiny",
        "inputs": (image,),
        "outputs": (embedding,),
        "nodes": (Node("scale", "Mul", ("x", "factor"), "y"),),
        "constants": {"factor": np.float32([1, 2, 3])},
        "source": Source(),
    }
    return Graph(**(said | changes))


# Multiples of a block, and neighbours; odd and even; nothing at all.
@pytest.mark.parametrize("count", [0, 1, 2, 1001, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18 + 2])
def test_weights_come_back_as_they_were_packed(count):
    pack = Packer(count)
    for _ in range(3):
        weights = packed_weights("key", pack).values
        assert weights.dtype == np.float32
        assert np.array_equal(weights.view(np.uint32), pack.weights.view(np.uint32))
    assert pack.calls == 1


def test_weights_are_read_only_from_the_cache_or_not():
    pack = Packer()
    for key in (None, "key", "key"):
        assert not packed_weights(key, pack).values.flags.writeable


def test_weights_from_the_cache_begin_at_a_page():
    pack = Packer()
    packed_weights("key", pack)
    assert packed_weights("key", pack).values.ctypes.data % 4096 == 0
    assert pack.calls == 1


def test_without_a_key_nothing_is_kept(folder):
    pack = Packer()
    for _ in range(2):
        packed_weights(None, pack)
    assert pack.calls == 2
    assert not folder.exists()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: data[:20],
        lambda data: data[:-4],
        lambda data: data + b"\0\0\0\0",
        lambda data: flipped(data, 0),
        lambda data: flipped(data, 20),
        lambda data: flipped(data, 50),
        lambda data: flipped(data, 4000),
        lambda data: flipped(data, 4096 + 1234),
        lambda data: flipped(data, len(data) - 1),
        lambda data: data[:8192] + bytes(4096) + data[8192 + 4096 :],
        lambda _: b"something else " * 1000,
    ],
    ids=[
        "empty", "no header", "cut short", "too long", "magic", "digest", "count", "padding", "a value", "the last value",
        "a lost page", "foreign",
    ],
)  # fmt: skip
def test_a_damaged_file_is_packed_again_and_replaced(folder, damage):
    pack = Packer(10_000)
    packed_weights("key", pack)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert np.array_equal(packed_weights("key", pack).values, pack.weights)
    assert pack.calls == 2
    assert path.read_bytes() == whole


LENGTH = 4 * (5 * 2**17 + 3)  # bytes of weights: two blocks and a half, and three values
UNITS = {"value": 4, "word": 8, "cache line": 64, "page": 4096, "block": 1 << 20}


def exchange(content, a, b, size):
    content[a : a + size], content[b : b + size] = content[b : b + size].copy(), content[a : a + size].copy()


def rotate(content, start, size, by):
    content[start : start + size] = np.roll(content[start : start + size], by)


def flip_two(content, a, b, bit):
    content[[a, b]] ^= 1 << bit


REARRANGED = {
    **{f"neighbours: {name}": lambda c, size=size: exchange(c, 0, size, size) for name, size in UNITS.items()},
    **{f"first and last of a block: {name}": lambda c, size=size: exchange(c, 0, (1 << 20) - size, size)
       for name, size in UNITS.items() if size < 1 << 20},
    **{f"of two blocks: {name}": lambda c, size=size: exchange(c, 0, 1 << 20, size) for name, size in UNITS.items()},
    **{f"a block rotated by a {name}": lambda c, size=size: rotate(c, 0, 1 << 20, size)
       for name, size in UNITS.items() if size < 1 << 20},
    **{f"all rotated by a {name}": lambda c, size=size: rotate(c, 0, LENGTH, size) for name, size in UNITS.items()},
    **{f"bit {bit} of two bytes {distance} apart": lambda c, bit=bit, distance=distance: flip_two(c, 3, 3 + distance, bit)
       for bit in (0, 7) for distance in (1, 4, 8, 64, 4096, (1 << 20) - 8)},
    "a block reversed": lambda c: c.__setitem__(slice(0, 1 << 20), c[: 1 << 20][::-1].copy()),
    "an array transposed": lambda c: c.__setitem__(
        slice(0, 1 << 20), c[: 1 << 20].view(np.uint32).reshape(256, 1024).T.ravel().view(np.uint8)
    ),
    "the last values": lambda c: exchange(c, LENGTH - 8, LENGTH - 4, 4),
}  # fmt: skip


@pytest.fixture(scope="module")
def packed_once(tmp_path_factory):
    """Weights that no rearrangement leaves as they are, and the file that they make."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REFNET_CACHE_DIR", str(folder))
        pack = Packer(LENGTH // 4)
        packed_weights("key", pack)
    return pack.weights, (folder / "weights" / "key.packed").read_bytes()


@pytest.mark.parametrize("rearrange", REARRANGED.values(), ids=REARRANGED)
def test_values_that_are_all_there_but_in_another_order_are_found(folder, packed_once, rearrange):
    weights, whole = packed_once
    content = np.frombuffer(whole, np.uint8).copy()
    rearrange(content[-LENGTH:])
    assert content.tobytes() != whole
    folder.mkdir(0o700)
    (folder / "key.packed").write_bytes(content)
    (folder / "key.packed").chmod(0o600)
    calls = []
    found = packed_weights("key", lambda: calls.append("packed") or weights.copy()).values
    assert calls == ["packed"]
    assert np.array_equal(found, weights)
    assert (folder / "key.packed").read_bytes() == whole


@needs_owners
@pytest.mark.parametrize("folder_mode", [0o777, 0o1777, 0o770])
def test_weights_in_a_folder_that_others_can_write_to_are_not_used_and_it_is_said_once(folder, caplog, folder_mode):
    pack = Packer()
    packed_weights("key", pack)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    folder.chmod(folder_mode)
    for _ in range(2):
        packed_weights("key", pack)
    assert pack.calls == 3
    assert path.read_bytes() == whole
    (record,) = caplog.records
    assert record.message == (
        "packed weights are not kept, and every start packs them anew: "
        f"{folder} can be written by other users (mode {folder_mode:04o}); chmod go-w {folder}, or let REFNET_CACHE_DIR name a folder of your own"
    )


@needs_owners
def test_a_file_of_weights_that_others_can_write_to_is_replaced(folder, caplog):
    pack = Packer()
    packed_weights("key", pack)
    (path,) = folder.iterdir()
    path.chmod(0o666)
    packed_weights("key", pack)
    assert pack.calls == 2
    assert path.stat().st_mode & 0o777 == 0o600
    (record,) = caplog.records
    assert record.message.startswith("a file of the cache is not used, and is made anew: ")
    packed_weights("key", pack)
    assert pack.calls == 2


@needs_owners
def test_what_is_kept_is_the_users_alone(folder):
    packed_weights("key", Packer())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "key.packed").stat().st_mode & 0o777 == 0o600


def test_a_file_under_another_key_is_not_believed(folder):
    first, second = Packer(seed=1), Packer(seed=2)
    packed_weights("first", first)
    (folder / "first.packed").rename(folder / "second.packed")
    assert np.array_equal(packed_weights("second", second).values, second.weights)


def test_weights_in_use_survive_damage_control_and_deletion(folder):
    pack = Packer(10_000)
    packed_weights("key", pack)
    weights = packed_weights("key", pack).values
    (folder / "key.packed").unlink()
    assert np.array_equal(weights, pack.weights)


def test_what_was_used_longest_ago_goes_first(folder):
    pack = Packer(1000)  # 4000 bytes and a header of 4096
    for age, key in enumerate(["new", "middle", "old"]):
        packed_weights(key, pack)
        os.utime(folder / f"{key}.packed", (1_000_000 - age, 1_000_000 - age))
    packed_weights("old", pack)  # now it is the newest
    packed_weights("latest", pack, limit_bytes=3 * 8096)
    assert sorted(path.stem for path in folder.iterdir()) == ["latest", "new", "old"]


def test_what_is_larger_than_the_limit_is_kept_alone(folder):
    packed_weights("small", Packer(10))
    packed_weights("large", Packer(1000), limit_bytes=100)
    assert [path.stem for path in folder.iterdir()] == ["large"]


def test_what_killed_writers_left_behind_is_deleted(folder):
    packed_weights("old", Packer())
    for name in (".old.packed.abcdefgh.part", ".older.packed.abcdefgh.part"):
        (folder / name).write_bytes(b"half")
    packed_weights("key", Packer())
    assert sorted(path.name for path in folder.iterdir()) == ["key.packed", "old.packed"]


def test_a_cache_that_cannot_be_written_is_said_once_and_does_no_harm(folder, caplog):
    folder.write_text("a file where a folder should be")
    pack = Packer()
    for _ in range(2):
        assert np.array_equal(packed_weights("key", pack).values, pack.weights)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.startswith("packed weights are not kept, and every start packs them anew: ")


def test_a_failure_to_pack_is_the_callers_and_leaves_nothing(folder):
    def fail():
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        packed_weights("key", fail)
    assert not folder.exists()


def test_several_processes_that_pack_at_once_get_the_same(folder):
    script = """
        import numpy as np
        from refnet.fast.weights_cache import packed_weights
        for _ in range(20):
            weights = packed_weights("key", lambda: np.arange(100_000, dtype=np.float32)).values
            assert (weights == np.arange(100_000)).all()
    """
    processes = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)]) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert [path.name for path in folder.iterdir()] == ["key.packed"]


@pytest.mark.parametrize(
    "changes",
    [
        {"constants": {"factor": np.float32([1, 2, 4])}},
        {"constants": {"factor": np.float64([1, 2, 3])}},
        {"constants": {"factor": np.float32([[1, 2, 3]])}},
        {"constants": {"other": np.float32([1, 2, 3])}},
        {"nodes": (Node("scale", "Add", ("x", "factor"), "y"),)},
        {"nodes": (Node("scale", "Mul", ("x", "factor"), "y", {"more": 1}),)},
        {"inputs": (Tensor("x", "float32", (1, 4)),)},
        {"outputs": ()},
    ],
)
def test_the_key_follows_all_that_is_packed(changes):
    assert weights_key(graph_digest(graph(**changes)), "plain") != weights_key(graph_digest(graph()), "plain")


def test_the_key_follows_how_it_is_packed_and_nothing_else():
    assert weights_key(graph_digest(graph()), "plain", 1) == weights_key(
        graph_digest(graph(name="other", source=Source(opset=8))), "plain", 1
    )
    assert weights_key(graph_digest(graph()), "plain", 1) != weights_key(graph_digest(graph()), "plain", 2)


def test_the_key_follows_the_sources(monkeypatch):
    before = weights_key(graph_digest(graph()))
    monkeypatch.setattr("refnet.fast.weights_cache.sources_digest", lambda: "edited")
    assert weights_key(graph_digest(graph())) != before
