"""How arrays are cut into blocks."""

import numpy as np
import pytest

from dyn.recorders.export.contents import block_shape, blocks


@pytest.mark.parametrize("most_bytes", [1, 4, 24, 100, 480, 1000, 10**6])
@pytest.mark.parametrize("shape", [(7,), (7, 5, 6), (3, 1, 4, 2), (6, 0, 2), (0, 3)])
def test_blocks_are_all_elements_in_order(shape, most_bytes):
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    found = [values[block] for block in blocks(shape, 4, most_bytes)]
    np.testing.assert_array_equal(np.concatenate([np.empty(0), *(each.ravel() for each in found)]), values.ravel())
    assert all(each.nbytes <= max(4, most_bytes) for each in found)


def test_blocks_are_whole_along_the_last_axes():
    assert block_shape((7, 5, 6), 4, 500) == (4, 5, 6)
    assert block_shape((7, 5, 6), 4, 100) == (1, 4, 6)
    assert block_shape((7, 5, 6), 4, 16) == (1, 1, 4)
    # An axis of none is as long as a chunk must be.
    assert block_shape((7, 0), 4, 16) == (4, 1)
