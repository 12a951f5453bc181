"""The loss landscape about a point: its slope, its curvatures, and the critical point that is near."""

from .spectrum import Curvature, curvature, curvature_at, is_twice_differentiable

__all__ = ["Curvature", "curvature", "curvature_at", "is_twice_differentiable"]
