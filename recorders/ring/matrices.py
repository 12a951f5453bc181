"""The matrix of features that a parameter is: its columns, its rows, or what an einops pattern makes of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from einops import rearrange


@dataclass(frozen=True)
class MatrixView:
    """How a parameter is seen as matrices (m, n) that have a feature in each column.

    features is "columns", "rows", or an einops pattern from the axes of the parameter to (m, n) or (instances, m, n),
    such as ``(head d_head) d_model -> head d_head d_model``; sizes are those of axes that the shape does not tell.
    """

    features: str
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> "MatrixView":
        """Return the view that the attributes of a recorded parameter describe; columns where they say nothing."""
        return cls(str(attributes.get("features", "columns")), json.loads(str(attributes.get("feature_sizes", "{}"))))

    @property
    def is_pattern(self) -> bool:
        """Whether the axes of the parameter are not those of its matrices."""
        return "->" in self.features

    @property
    def instances_are(self) -> str:
        """What the matrices are of which there are several: "head" of a pattern with that axis, else "instance"."""
        axes = self.features.partition("->")[2].split()
        return axes[0] if len(axes) > 2 and axes[0].isidentifier() else "instance"

    @property
    def attributes(self) -> dict[str, str]:
        """What is noted of the parameter, so that of() finds the view again."""
        sizes = {"feature_sizes": json.dumps(dict(self.sizes))} if self.sizes else {}
        return {"features": self.features, **sizes}

    def matrices(self, values: np.ndarray) -> np.ndarray:
        """Return values (..., *shape) as matrices (..., [instances,] m, n), a view of them where that is possible."""
        if not self.is_pattern:
            return values.swapaxes(-1, -2) if self.features == "rows" else values
        before, _, after = self.features.partition("->")
        return rearrange(values, f"... {before.strip()} -> ... {after.strip()}", **self.sizes)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return ([instances,] m, n) of a parameter of this *shape*."""
        # One number stands for all, so that nothing is copied.
        return self.matrices(np.broadcast_to(np.float32(0), shape)).shape
