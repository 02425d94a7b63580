"""The same work on many machines, by dask.distributed: partitions go out, their files come back.

Workers read the images and the model by the paths that the client has: a shared file system. Each worker process loads
a network once and keeps it. The client hands out a bounded number of partitions at a time, and writes what comes back;
a worker that dies costs the partitions it was at, which the scheduler gives to others.

A worker of another refnet, another NumPy or another model file would give other bits: it is refused.

Whatever is wrong with the address is said within `CONNECT_SECONDS`, and a scheduler that answers no more, or stays
without a worker, within `PATIENCE_SECONDS`.
"""

import asyncio
import importlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from refnet.bulk.partitions import Outcome, Partition, compute_partition
from refnet.bulk.prepared import Preparation
from refnet.errors import MissingExtraError, ModelError, RefnetError, UsageError
from refnet.network import EngineName, Memory, Network, load
from refnet.provenance import Provenance, provenance, sources_digest
from refnet.version import __version__

CONNECT_SECONDS = 10.0
PATIENCE_SECONDS = 30.0  # without a single worker, or an answer
AHEAD = 3  # partitions in flight for each worker thread
_LOOK_SECONDS = 1.0  # from one look at the workers to the next


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: how to load the network, how images become crops, and what must come out of it.

    `how` is called in the worker, with its network, and gives the preparation; it must be a module's function, or
    another thing that can be pickled. `sources` is the digest of the client's code, `origin` where its numbers come from.
    """

    model: str
    engine: EngineName
    threads: int | None
    memory: Memory
    cache: bool
    how: Callable[[Network], Preparation]
    origin: Provenance
    sources: str
    batch: int
    workers: int


def run_on_cluster(
    address: str,
    job: Job,
    parts: Iterable[Partition],
    keep: Callable[[Outcome], None],
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Compute partitions on the workers of a scheduler, and keep each as it comes.

    `tell` is given a sentence when there is no worker to go on with.

    Raises
    ------
    UsageError
        If the scheduler cannot be reached, is lost, or has no worker for `PATIENCE_SECONDS`, or a worker fails. What
        was kept stays.
    ModelError
        If a worker has another refnet or model.
    """
    distributed = _distributed()
    _check_scheduler(distributed, address)
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:
        raise _unreachable(address, error) from error
    with client:
        stream = iter(parts)
        flying: set[Any] = set()
        exhausted, told, threads, looked, waiting_since = False, False, 0, 0.0, time.monotonic()
        while flying or not exhausted:
            if time.monotonic() - looked > _LOOK_SECONDS:
                threads, looked = _threads(client, address), time.monotonic()
                if threads:
                    waiting_since, told = looked, False
                elif not told:
                    tell(f"the scheduler at {address} has no worker; waiting {PATIENCE_SECONDS:.0f} seconds for one")
                    told = True
                if looked - waiting_since > PATIENCE_SECONDS:
                    raise UsageError(
                        f"the scheduler at {address} has had no worker for {PATIENCE_SECONDS:.0f} seconds; start some, "
                        "and run the same command again"
                    )
            while not exhausted and len(flying) < AHEAD * max(threads, 1):
                part = next(stream, None)
                if part is None:
                    exhausted = True
                else:
                    flying.add(
                        client.submit(_compute, job, part, pure=False, key=f"refnet-{part.number}-{time.time_ns()}")
                    )
            done = {future for future in flying if future.done()}
            for future in done:
                keep(_result(future, address))
            flying -= done
            if not done:
                time.sleep(0.05)


def _check_scheduler(distributed: Any, address: str) -> None:
    """Refuse an address at which no scheduler answers in time.

    In a thread that nothing waits for: a name server that does not answer cannot be interrupted.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    async def ask() -> Any:
        options = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, timeout=CONNECT_SECONDS, connection_args=options) as scheduler:
            return await scheduler.identity()

    def answer() -> None:
        try:
            host, port = distributed.comm.get_address_host_port(address, strict=True)
            if not 0 < port < 2**16:
                raise ValueError(f"the port is {port}; expected 1 to 65535")
            socket.create_connection((host, port), CONNECT_SECONDS).close()
        except (OSError, ValueError) as error:
            answers.put(error)
            return
        try:
            answers.put(asyncio.run(asyncio.wait_for(ask(), CONNECT_SECONDS)))
        except TimeoutError as error:
            answers.put(error)
        except Exception as error:  # what a server of another kind sends is made sense of in many ways
            answers.put(ValueError(f"what answers there is no scheduler of dask ({error})"))

    threading.Thread(target=answer, daemon=True).start()
    try:
        identity = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        identity = TimeoutError()
    if isinstance(identity, Exception):
        raise _unreachable(address, identity) from identity
    kind = identity.get("type") if isinstance(identity, dict) else None
    if kind != "Scheduler":
        raise UsageError(f"{address} is the address of a {kind}; give that of the scheduler")


def _unreachable(address: str, error: Exception) -> UsageError:
    reason = str(getattr(error, "strerror", None) or error)
    if isinstance(error, TimeoutError):
        reason = f"no answer in {CONNECT_SECONDS:.0f} seconds"
    return UsageError(
        f"the scheduler at {address} cannot be reached: {reason}; start it, or check the address, such as tcp://host:8786"
    )


def _threads(client: Any, address: str) -> int:
    """How many worker threads there are."""
    if client.status != "running":
        raise _lost(address)
    try:
        identity = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=PATIENCE_SECONDS)
    except (OSError, TimeoutError) as error:
        raise _lost(address) from error
    return sum(worker["nthreads"] for worker in identity["workers"].values())


def _result(future: Any, address: str) -> Outcome:
    """What came back, or the worker's error."""
    try:
        outcome: Outcome = future.result(timeout=PATIENCE_SECONDS)
    except RefnetError:
        raise
    except Exception as error:
        name = type(error).__name__
        if name == "KilledWorker":
            raise UsageError(
                f"a partition ended several workers of {address} one after the other ({error}); look at their logs "
                "(memory?), and run the same command again"
            ) from error
        if name in ("CancelledError", "FutureCancelledError", "CommClosedError", "TimeoutError"):
            raise _lost(address) from error
        raise UsageError(
            f"a worker of {address} failed ({name}: {error}); it must have the same refnet as this machine; look at its log"
        ) from error
    return outcome


def _lost(address: str) -> UsageError:
    return UsageError(f"the scheduler at {address} is gone; what was finished is kept: run the same command again")


def _compute(job: Job, part: Partition) -> Outcome:
    """On a worker: compute one partition."""
    network, how = _network(job)
    return compute_partition(part, network, how, job.origin, batch=job.batch, workers=job.workers)


@lru_cache(maxsize=2)
def _network(job: Job) -> tuple[Network, Preparation]:
    """The network of a job, loaded once a process, and held against the client's."""
    if sources_digest() != job.sources:
        raise ModelError(
            f"a worker runs other code than the client: its refnet {__version__} has sources of the digest "
            f"{sources_digest()[:12]}..., the client's refnet {job.origin.refnet} {job.sources[:12]}...; use the same on "
            "all machines"
        )
    network = load(job.model, engine=job.engine, threads=job.threads, memory=job.memory, cache=job.cache)
    mine, wanted = provenance(network, job.origin.pipeline).to_json(), job.origin.to_json()
    for name, value in wanted.items():
        if mine[name] != value:
            raise ModelError(
                f"a worker's {name} is {mine[name]!r}, the client's {value!r}; use the same on all machines"
            )
    return network, job.how(network)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise MissingExtraError(
            '--cluster needs dask.distributed; install it: pip install "refnet[cluster]"'
        ) from error
