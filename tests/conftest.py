"""One thread for every test: tiny networks gain nothing from a second one, and threads that wait for each other slow
them tenfold where other work shares the cores."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; notebooks' kernels inherit it
