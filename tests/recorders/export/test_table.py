"""Tables: what has numbers has a column, and what has none is told."""

import numpy as np
import pytest

from dyn.recorders.export import export


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_one_warning_names_the_arrays_without_elements_among_those_selected(make, path, tmp_path, suffix):
    make(path, {"W": np.empty((3, 0, 2)), "b": np.ones((3, 2))}, {"none": np.empty((3, 0))}, {"loss": np.ones(3)})
    message = rf"run\{suffix} has no column for what has no elements: parameters/W, probes/none$"
    with pytest.warns(UserWarning, match=message) as caught:
        export(path, tmp_path / f"run{suffix}", select=["*"])
    assert len(caught) == 1
    # Warnings are errors here.
    export(path, tmp_path / f"run{suffix}", select=["b"], overwrite=True)
