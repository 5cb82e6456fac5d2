"""What stays in single precision where networks compute in less: ``trainer.precision=bf16-mixed`` or ``16-mixed``.

Autocast has matrix products and convolutions give numbers of 8 or 11 significant bits, which networks bear. What is
made of a network's numbers does not: a log-likelihood is a sum of thousands of terms, a divergence a difference of
such sums, a nearest code is found by a difference of distances, and a penalty's gradient is far smaller than what half
precision can hold. So numbers leave a network through :func:`exact`, and matrix products behind it, or second
derivatives, are computed within :func:`exactly`. In single or double precision neither changes anything.
"""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


def exact(x: Tensor) -> Tensor:
    """Return ``x`` in at least single precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exactly(x: Tensor) -> torch.autocast:
    """Return a context in which nothing is computed in less precision than it is given, on the device of ``x``."""
    return torch.autocast(x.device.type, enabled=False)


def native(x: Tensor) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a CPU computes in low precision without oneDNN, which has no LSTM of bfloat16 for CPUs
    short of AVX-512, and none of half precision for most; in single and double precision nothing changes.
    """
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        return torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)  # pyright: ignore[reportArgumentType]
    return contextlib.nullcontext()


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let a GPU multiply and convolve numbers of single precision by 11 of their 24 bits and add in full, or not."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    _allow_tf32("high" if allowed else "highest", allowed)
    try:
        yield
    finally:
        _allow_tf32(*before)


def _allow_tf32(products: str, convolutions: bool) -> None:
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions
