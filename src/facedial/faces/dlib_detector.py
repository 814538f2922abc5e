"""dlib's frontal face detector (HOG features and one linear classifier per view)."""

import math
import threading

import numpy as np
from PIL import Image

from facedial.faces.face import Detection
from facedial.faces.geometry import UInt8

MIN_MARGIN = -0.4  # detections of a smaller classifier margin are dropped
# Slope of the logistic function from margin to probability: fitted on 427 photos of groups and 630
# without a face.
LOGISTIC_SLOPE = 5.4
# Two of dlib's five views are of tilted heads: median angles on 287 rotated LFW photos, in degrees.
VIEW_ANGLES = {3: -30.0, 4: 30.0}


class DlibDetector:
    """Detects frontal faces of at least about 70 pixels, tilted by up to 45 degrees.

    dlib is imported when the first detector is constructed.  It gets greyscale pictures, in which it
    finds as many faces as in colour in three quarters of the time.
    """

    def __init__(self) -> None:
        import dlib

        self._detector = dlib.get_frontal_face_detector()
        self._lock = threading.Lock()  # a dlib detector is not thread-safe: it holds its pyramid

    def __reduce__(self) -> tuple[type["DlibDetector"], tuple[()]]:
        """Pickled as a new detector: all are alike, and neither dlib's nor a lock can be pickled."""
        return DlibDetector, ()

    def __call__(self, pixels: UInt8) -> list[Detection]:
        """Faces in `pixels` uint8 [H, W, 3], by descending score; a margin of 0 scores 0.5."""
        grey = np.asarray(Image.fromarray(pixels).convert("L"))
        with self._lock:
            boxes, margins, views = self._detector.run(grey, 0, MIN_MARGIN)
        return [
            Detection(
                # dlib's right and bottom are the last pixels inside.
                np.array([box.left(), box.top(), box.right() + 1, box.bottom() + 1], np.float64),
                1.0 / (1.0 + math.exp(-LOGISTIC_SLOPE * margin)),
                VIEW_ANGLES.get(view, 0.0),
            )
            for box, margin, view in zip(boxes, margins, views, strict=True)
        ]
