"""What draws of several chains tell: their means with less noise, and whether the chains have mixed."""

import numpy as np

# Fewer draws for each control variate would fit noise.
_DRAWS_EACH = 10


def controlled_means(values: np.ndarray, controls: np.ndarray) -> np.ndarray:
    """Return the mean of *values* over the draws of each chain, freed of what *controls*, of mean 0, explain.

    The coefficients are those of the other half of the chains, so that fitting them biases nothing. Of more controls
    than the draws can tell apart their sum is taken.

    Shapes: values (T, chains), controls (T, chains, d), an even number of chains -> (chains,).
    Source: Assaraf and Caffarel 1999, "Zero-variance principle for Monte Carlo algorithms".
    """
    if not controls.shape[-1]:
        return values.mean(axis=0)
    if controls.shape[-1] * _DRAWS_EACH > values.size / 2:
        controls = controls.sum(-1, keepdims=True)
    means = np.empty(values.shape[1])
    for half in (0, 1):
        y, A = values[:, 1 - half :: 2].ravel(), controls[:, 1 - half :: 2].reshape(-1, controls.shape[-1])
        coefficients = np.linalg.lstsq(A - A.mean(0), y - y.mean(), rcond=None)[0]
        means[half::2] = (values[:, half::2] - controls[:, half::2] @ coefficients).mean(0)
    return means


def split_rhat(values: np.ndarray) -> np.ndarray:
    """Return the split R-hat of draws (T, chains, ...), (...): about 1 where all chains, and their halves, agree.

    Source: Gelman et al. 2013, "Bayesian Data Analysis", 11.4.
    """
    half = len(values) // 2
    parts = np.concatenate([values[:half], values[half : 2 * half]], axis=1)
    within, between = parts.var(axis=0, ddof=1).mean(axis=0), parts.mean(axis=0).var(axis=0, ddof=1)
    # What never changes anywhere has mixed; what does so in each chain for itself has not.
    apart = np.divide(between, within, out=np.where(between > 0, np.inf, 0.0), where=within > 0)
    return np.sqrt((half - 1) / half + apart)


def virial_of(virials: np.ndarray) -> tuple[float, float]:
    """Return the mean of (T, chains, d), 1 in equilibrium, and its standard error over the chains."""
    each = virials.mean(axis=(0, 2))
    return float(each.mean()), float(each.std(ddof=1) / np.sqrt(len(each)))
