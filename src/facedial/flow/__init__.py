"""The conditional flow: solver, guidance, sampling, edits by inversion, interpolation.

Convention: latents are float32 [N, 6, 32, 32] (Haar planes of the 64x64 luma, then Cb and Cr); time 0
is noise, time 1 a face. A condition is float32 [N, K], one value an attribute: -1 without it, 1 with
it, 0 unspecified. The network comes in as a callable; nothing here opens a model.
"""

from collections.abc import Callable

from facedial.arrays import Floats

# Latents [N, 6, 32, 32], times [N] in 0..1, conditions [N, K] -> velocity, shaped as the latents.
Velocity = Callable[[Floats, Floats, Floats], Floats]
# Codes [N, D] -> latents, and the affine map back.
ToLatents = Callable[[Floats], Floats]
ToCodes = Callable[[Floats], Floats]

LATENT_SHAPE = (6, 32, 32)
SAMPLE_BATCH = 4  # one batch size throughout: another one may change the last bits of a sum
