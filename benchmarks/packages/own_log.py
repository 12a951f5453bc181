"""What a training of this folder says of itself, in one line for check.py: its losses and its final parameters."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from torch import Tensor


def tell(losses: Sequence[float | None], parameters: Mapping[str, Tensor], *, tolerance: float = 0.0) -> None:
    """Print the losses of all steps, None where there is none, and the parameters' names, first and last values.

    *tolerance* is how exactly the package logs its losses.
    """
    digest = hashlib.sha256()
    for parameter in parameters.values():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    said = {
        "losses": losses,
        "tolerance": tolerance,
        "names": list(parameters),
        "norms": [float(parameter.detach().double().norm()) for parameter in parameters.values()],
        "digest": digest.hexdigest(),
    }
    print("TOLD", json.dumps(said))
