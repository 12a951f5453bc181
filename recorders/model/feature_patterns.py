"""What attach(features=…) says of a parameter, held against its shape."""

import warnings
from collections.abc import Mapping
from typing import Any

from einops import EinopsError
from torch import Tensor, nn

from ...dynamics.errors import SettingError
from ..ring.channels import FeatureAxis
from ..ring.matrices import MatrixView
from .feature_axes import convolution_pattern

_AXES: dict[str, FeatureAxis] = {"columns": "columns", "rows": "rows"}
_EXAMPLE = "such as 'head d_model d_head -> head d_head d_model'"


def view_of(owner: nn.Module, name: str, parameter: Tensor, choice: Any) -> MatrixView:
    """Return how a parameter is seen as matrices of features, as features={name: choice} asks for it.

    The choice is "columns", "rows", an einops pattern that ends in the axes (m, n) or (instances, m, n), or a pair of
    such a pattern and the sizes of its axes. Raises SettingError for what does not fit the parameter.
    """
    argument = f"features[{name!r}]={choice!r}"
    # Whatever a user gave; it is held against what it may be below.
    pattern: Any = choice
    sizes: Any = {}
    if isinstance(choice, tuple) and len(choice) == 2:
        pattern, sizes = choice
    axis = _AXES.get(pattern) if isinstance(pattern, str) and not sizes else None
    if axis is None and not (isinstance(pattern, str) and "->" in pattern and _are_sizes(sizes)):
        raise SettingError(
            f"{argument}: {pattern!r} is neither 'columns', 'rows' nor None, nor an einops pattern {_EXAMPLE}, alone "
            "or in a pair with the sizes of its axes (pattern, {'head': 8})"
        )
    if parameter.ndim < 2 or not parameter.is_floating_point():
        shape, kind = tuple(parameter.shape), parameter.dtype
        raise SettingError(
            f"{argument} needs a real matrix, but it is {shape}, {kind}, which has no features; leave it out"
        )
    if axis is not None:
        return MatrixView(convolution_pattern(owner, name, parameter, axis) or axis)
    view = MatrixView(" ".join(pattern.split()), {each: int(size) for each, size in sizes.items()})
    _check(view, tuple(parameter.shape), argument)
    return view


def _are_sizes(sizes: Any) -> bool:
    return isinstance(sizes, Mapping) and all(
        isinstance(axis, str) and isinstance(size, int) and not isinstance(size, bool) for axis, size in sizes.items()
    )


def _check(view: MatrixView, shape: tuple[int, ...], argument: str) -> None:
    """Raise SettingError for a pattern that makes no matrices of a parameter of this *shape*."""
    problem = "'...' leaves open which axes are meant" if "..." in view.features else ""
    if not problem:
        try:
            # What einops advises against would be said again by whoever reads the recording.
            with warnings.catch_warnings(action="error"):
                matrix = view.shape(shape)
                # As it is done with rows of the parameter in front.
                view.shape((1, *shape))
        except (EinopsError, RuntimeWarning) as error:
            problem = str(error).strip().splitlines()[-1].strip()
        else:
            problem = "" if len(matrix) in (2, 3) else f"it gives {len(matrix)} axes, {matrix}"
    if problem:
        raise SettingError(
            f"{argument} does not fit its shape {shape}: {problem}; write its axes at the left, and (m, n) or "
            f"(instances, m, n) at the right, {_EXAMPLE}"
        )
