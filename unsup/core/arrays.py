"""Types of NumPy arrays that several packages use."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float32]
Ids = NDArray[np.int64]  # labels, clusters, positions

LARGEST = 1e15  # magnitude of an entry of a code: squares of larger ones, summed, leave float32
SMALLEST = 1e-30  # largest magnitude of codes that are not all 0: float32 cannot standardise smaller ones
