"""Memory that the C library keeps for later, given back to the system."""

import ctypes


def give_back() -> None:
    """Return freed memory to the system where the C library can (glibc); elsewhere nothing.

    Opening a graph unpacks its weights several times over: of the flow 470 MB, of which 80 are needed.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # other libraries; Windows has no None
        return
    trim(0)
