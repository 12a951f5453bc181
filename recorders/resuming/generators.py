"""The states of random generators: those that everything draws from, and those that were given."""

import random
from typing import Any

import numpy as np
import torch


def global_states() -> dict[str, Any]:
    """Return copies of the states of the generators of torch, on the CPU and on CUDA if it is in use, NumPy, Python."""
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(legacy=False),  # noqa: NPY002
        "python": random.getstate(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def set_global_states(states: dict[str, Any]) -> None:
    """Put the generators into such states; of CUDA's those of the devices that are here."""
    torch.set_rng_state(states["torch"])
    np.random.set_state(states["numpy"])  # noqa: NPY002
    random.setstate(states["python"])
    if torch.cuda.is_available():
        for device, state in enumerate(states.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, device)


def is_generator(value: Any) -> bool:
    """Whether *value* is a random generator of torch, NumPy or Python."""
    return isinstance(value, torch.Generator | np.random.Generator | np.random.RandomState | random.Random)


def state_of(generator: Any) -> Any:
    """Return a copy of the state of a generator."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.getstate()


def set_state(generator: Any, state: Any) -> None:
    """Put a generator into a state; raises what it raises for that of another kind."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(state)
