"""Programs run where no network is, and every name that they ask for is noted.

    unshare --map-root-user --net --mount python tests/offline.py SECONDS NAMES < PROGRAMS

PROGRAMS is a list of command lines in JSON. They run side by side; the stdin of each is closed after SECONDS, and they
are waited for. What they print goes to stderr. NAMES is written: the names that were asked for, one a line. The exit
status is 1 if a program failed.

Inside the namespace there is the loopback device alone. Names are asked for at 127.0.0.1, where this program answers
that there are none.
"""

import array
import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
NO_SUCH_NAME = 0x8183  # a response, recursion available, NXDOMAIN


def raise_loopback() -> None:
    """What `ip link set lo up` does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = array.array("B", struct.pack("16sh14x", b"lo", 0))
        fcntl.ioctl(any_socket, SIOCGIFFLAGS, request)
        name, flags = struct.unpack("16sh14x", request)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", name, flags | IFF_UP))


def replace_file(path: str, text: str) -> None:
    """Lay another file over a file, in this mount namespace only."""
    with tempfile.NamedTemporaryFile("w") as other:
        other.write(text)
        other.flush()
        subprocess.run(["mount", "--bind", other.name, path], check=True)


def name_in(query: bytes) -> str:
    """The name that a DNS query asks for."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    return ".".join(labels)


def note_names(server: socket.socket, names: list[str]) -> None:
    """Answer every query with "no such name"."""
    while True:
        query, sender = server.recvfrom(4096)
        names.append(name_in(query))
        server.sendto(query[:2] + struct.pack("!H", NO_SUCH_NAME) + query[4:], sender)


def main(seconds: float, names_path: str) -> int:
    """Run the programs."""
    raise_loopback()
    replace_file("/etc/resolv.conf", "nameserver 127.0.0.1\n")
    replace_file("/etc/nsswitch.conf", "hosts: files dns\n")  # no daemon of the machine outside is asked instead
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    names: list[str] = []
    threading.Thread(target=note_names, args=(server, names), daemon=True).start()
    programs = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sys.stderr) for command in json.load(sys.stdin)]
    time.sleep(seconds)
    for program in programs:
        program.communicate()
    Path(names_path).write_text("".join(f"{name}\n" for name in names))
    return int(any(program.returncode for program in programs))


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2]))
