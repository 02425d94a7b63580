"""What was used last, kept; the rest forgotten."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Newest(Generic[K, V]):
    """So many values as are allowed, those that were used last. Any number of threads may use it.

    Examples
    --------
    >>> kept = Newest[str, int](2)
    >>> [kept.found_or_made(key, lambda: len(key)) for key in ("a", "bb", "a", "ccc")]
    [1, 2, 1, 3]
    >>> kept.get("a"), kept.get("bb")
    (1, None)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, Future[V]] = {}
        self._turn = threading.Lock()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value, which counts as used; None if it is not kept."""
        with self._turn:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value, and forget what is too much."""
        with self._turn:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def found_or_made(self, key: K, make: Callable[[], V]) -> V:
        """The value, made now if it is not kept; who asks for one that is being made waits for it."""
        with self._turn:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            mine = key not in self._making
            promised = self._making.setdefault(key, Future())
        if not mine:
            return promised.result()
        try:
            value = make()
            self.put(key, value)
        except BaseException as error:
            promised.set_exception(error)
            raise
        else:
            promised.set_result(value)
            return value
        finally:
            with self._turn:
                del self._making[key]
