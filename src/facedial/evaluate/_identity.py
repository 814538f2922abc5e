"""Embeddings of faces, to compare people by: of a network trained elsewhere, and of the model's own."""

import numpy as np
from numpy.typing import NDArray

from facedial.faces.crop import head_template
from facedial.faces.geometry import fit_similarity, warp
from facedial.model import Model
from facedial.runtime.session import Session

SIDE = 112
SAME_PERSON = 0.31  # cosine similarity of embeddings above which two photos count as one person's
# Positions of eyes, nose and mouth corners that the network expects, px.
LANDMARKS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


def kept_identity(
    model: Model, before: NDArray[np.uint8], after: NDArray[np.uint8]
) -> NDArray[np.float64] | None:
    """Cosine [N] of head crops [N, S, S, 3] before and after by the model's own identity network.

    It is what edits report and are limited by, so it is no independent judge. None where there is none.
    """
    if not model.has_identity:
        return None
    one, two = (model.embed_identity(pictures).astype(np.float64) for pictures in (before, after))
    return np.asarray((one * two).sum(1))


def embedded(session: Session, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Unit embeddings [N, D] of head crops [N, S, S, 3], aligned by the landmarks of the frame."""
    to_crop = fit_similarity(LANDMARKS, head_template(pictures.shape[1]))
    embeddings = []
    for picture in pictures:
        aligned = warp(picture, to_crop, SIDE)
        planes = (aligned.astype(np.float32).transpose(2, 0, 1)[None] - 127.5) / 127.5
        embeddings.append(session(planes)[0].astype(np.float64))
    values = np.stack(embeddings)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True))
