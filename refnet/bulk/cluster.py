"""The same work on many machines, by dask.distributed: partitions go out, their files come back.

Workers read the images and the model by the paths that the client has: a shared file system. Each worker process loads
a network once and keeps it. The client hands out a bounded number of partitions at a time, and writes what comes back;
a worker that dies costs the partitions it was at, which the scheduler gives to others.

A worker of another refnet, another NumPy or another model file would give other bits: it is refused.
"""

import importlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from refnet.bulk.partitions import Outcome, Partition, compute_partition
from refnet.bulk.prepared import Preparation
from refnet.errors import MissingExtraError, ModelError, RefnetError, UsageError
from refnet.network import EngineName, Memory, Network, load
from refnet.provenance import Provenance, provenance

CONNECT_SECONDS = 10
PATIENCE_SECONDS = 60  # without a single worker
AHEAD = 3  # partitions in flight for each worker thread


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: how to load the network, how images become crops, and what must come out of it.

    `how` is called in the worker, with its network, and gives the preparation; it must be a module's function, or
    another thing that can be pickled.
    """

    model: str
    engine: EngineName
    threads: int | None
    memory: Memory
    cache: bool
    how: Callable[[Network], Preparation]
    origin: Provenance
    batch: int
    workers: int


def run_on_cluster(address: str, job: Job, parts: Iterable[Partition], keep: Callable[[Outcome], None]) -> None:
    """Compute partitions on the workers of a scheduler, and keep each as it comes.

    Raises
    ------
    UsageError
        If the scheduler cannot be reached, is lost, or has no worker for a minute. What was kept stays.
    ModelError
        If a worker has another refnet or model.
    """
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"the scheduler at {address} cannot be reached: {error}; start it, or check the address"
        ) from error
    with client:
        stream = iter(parts)
        flying: set[Any] = set()
        exhausted, waiting_since = False, time.monotonic()
        while flying or not exhausted:
            threads = _threads(client, address)
            while not exhausted and len(flying) < AHEAD * max(threads, 1):
                part = next(stream, None)
                if part is None:
                    exhausted = True
                else:
                    flying.add(
                        client.submit(_work, job, part, pure=False, key=f"refnet-{part.number}-{time.time_ns()}")
                    )
            waiting_since = time.monotonic() if threads else waiting_since
            if time.monotonic() - waiting_since > PATIENCE_SECONDS:
                raise UsageError(
                    f"the scheduler at {address} has no worker; start some, and run the same command again"
                )
            done = {future for future in flying if future.done()}
            for future in done:
                keep(_result(future, address))
            flying -= done
            if not done and flying:
                time.sleep(0.05)


def _threads(client: Any, address: str) -> int:
    """How many worker threads there are."""
    if client.status != "running":
        raise _lost(address)
    try:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
    except (OSError, TimeoutError) as error:
        raise _lost(address) from error
    return sum(worker["nthreads"] for worker in workers)


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
        raise
    return outcome


def _lost(address: str) -> UsageError:
    return UsageError(f"the scheduler at {address} is gone; what was finished is kept: run the same command again")


def _work(job: Job, part: Partition) -> Outcome:
    """On a worker: compute one partition."""
    network, how = _network(job)
    return compute_partition(part, network, how, job.origin, batch=job.batch, workers=job.workers)


@lru_cache(maxsize=2)
def _network(job: Job) -> tuple[Network, Preparation]:
    """The network of a job, loaded once a process, and held against the client's."""
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
