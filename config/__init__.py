"""How the programs are put together and run: settings, addresses, the server, the embedded database."""

import os

# One thread per computation, before anything imports NumPy. Its matrices are small here, so more threads take twice the
# CPU for the same result, wait for each other when the machine is busy, and every web process would have as many.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
