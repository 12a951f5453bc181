"""The numbers of the next row: what was logged, and the learning rates."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...dynamics.errors import SettingError
from ..model.copies import as_number
from ..model.device_copies import DeviceScalar
from ..ring.channels import check_name
from ..ring.layout import NAN
from ..ring.order import row_packer
from ..ring.ring import Ring
from .compiling import set_apart, uncompiled
from .state import HotPath

# No learning rate.
UNSEEN = object()


class RowScalars(HotPath):
    """Holds the numbers of the next row until it is complete.

    It is the part of :class:`RowFiller` that finds names, and one object with it, because every object that a step
    touches costs it something.
    """

    __slots__ = (
        "__weakref__",
        "_has_no_gpu",
        "_own",
        "_pack",
        "_ring",
    )

    def __init__(self, ring: Ring):
        self._ring = ring
        # Whether what is logged belongs to the next row as it comes.
        self._is_listening = True
        # Without one, no tensor has to be asked where it is.
        self._has_no_gpu = not torch.cuda.is_available()
        # Those that are not there yet, by place.
        self._deferred: dict[int, DeviceScalar] = {}
        # Names are found by their place from the end, which stays when a further one is put in front.
        self._places: dict[str, int] = {}
        self._numbers: list[float] = []
        self._blank: list[float] = []
        for name in ring.names:
            self._add_place(name)
        # The learning rates as they were last seen, and one that is to come. Plain numbers stand in the blank row.
        self._rates: list[Any] = [UNSEEN]
        # Of those that are tensors, what was put into the present row, by place.
        self._own: dict[int, float | DeviceScalar] = {}

    @uncompiled
    def log(self, **scalars: float | Tensor) -> None:
        """Put numbers into the row of the step that is about to be taken; call it before ``optimizer.step()``.

        Within a step, from a closure, the first value given belongs to the row, since it was computed at the row's
        parameters. After the last step the numbers go into the final row. Tensors must have one element; those on a
        CUDA device are fetched when they are there, so nothing waits for them.
        Raises SettingError for a value that is no number.
        """
        if self._take(scalars):
            return
        if not self._is_listening:
            self._log_otherwise(scalars)
            return
        for name, value in scalars.items():
            # What nearly every call brings is done here, and everything else one call deeper.
            try:
                number = value.item() if type(value) is Tensor and (self._has_no_gpu or value.is_cpu) else value
                if type(number) is float and not self._deferred:
                    self._numbers[self._places[name]] = number
                    continue
            except (KeyError, RuntimeError):
                # A name that is new; a tensor of several elements.
                pass
            self._put(name, value)

    def _log_otherwise(self, scalars: Mapping[str, float | Tensor]) -> None:
        """Take the numbers that are not just for the next row."""
        raise NotImplementedError

    def _log_once(self, name: str, value: Any) -> None:
        """Put a number into the next row unless it has one of that name."""
        place = self._places.get(name)
        if place is None or self._is_absent(place) or self._has_own_rate(place):
            self._put(name, value)

    def _forget(self, names: Sequence[str] | None = None) -> None:
        """Clear the numbers of the next row, all of them or those of the given names."""
        if names is None:
            self._numbers[:] = self._blank
            self._deferred.clear()
        else:
            for name in names:
                self._clear(self._places[name])

    def _is_absent(self, place: int) -> bool:
        """Whether nobody has logged a number for a place; a learning rate may stand there."""
        number = self._numbers[place]
        return place not in self._deferred and (number != number or number is self._blank[place])

    def _has_own_rate(self, place: int) -> bool:
        return place in self._own and self._deferred.get(place, self._numbers[place]) is self._own[place]

    def _clear(self, place: int) -> None:
        self._numbers[place] = self._blank[place]
        self._deferred.pop(place, None)

    @set_apart
    def _put(self, name: str, value: Any) -> None:
        number = as_number(name, value)
        place = self._places.get(name)
        if place is None:
            check_name(name, self._places, where="log()")
            if name not in self._ring.names and not self._ring.add_names([name]):
                raise SettingError(
                    f"log({name}=…) is one scalar too many: a recording holds {self._ring.layout.room}; "
                    "record many numbers as one array, by attach(probes={name: function})"
                )
            place = self._add_place(name)
        self._deferred.pop(place, None)
        if isinstance(number, Tensor):
            self._deferred[place] = DeviceScalar(number)
        else:
            self._numbers[place] = number

    def _add_place(self, name: str) -> int:
        size = len(self._places) + 1
        head, pack = self._ring.layout.step - 8 * size, row_packer(size)
        blank, numbers = [NAN, *self._blank], [NAN, *self._numbers]
        # All of it or nothing: no Ctrl-C comes between plain assignments.
        self._blank, self._numbers, self._head, self._pack, self._places[name] = blank, numbers, head, pack, -size
        return -size

    @set_apart
    def _put_rate(self, k: int, rate: Any) -> None:
        """Put a learning rate that is new, or a tensor whose number may be, into the row unless the user logged it."""
        while k + 1 >= len(self._rates):
            self._rates.append(UNSEEN)
        if rate is None and self._rates[k] is UNSEEN:
            self._rates[k] = None
            return
        name = f"lr_{k}" if k else "lr"
        if name not in self._places:
            self._put(name, NAN)
        place, number = self._places[name], NAN if rate is None else as_number("lr", rate)
        is_free = self._is_absent(place) or self._has_own_rate(place)
        # What can change in place, as a tensor can, is asked anew.
        is_plain = rate is None or isinstance(rate, int | float)
        self._blank[place] = number if is_plain and isinstance(number, float) else NAN
        if is_free:
            self._put(name, number)
            self._own = {**self._own, place: self._deferred.get(place, self._numbers[place])}
        self._rates[k] = rate if is_plain else UNSEEN
