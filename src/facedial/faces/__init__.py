"""Photos, the faces in them, and aligned crops of those.

Convention.  x points right, y down; an integer coordinate is a pixel's centre, so that a picture
covers -0.5 <= x < width - 0.5.  Boxes are x0, y0, x1, y1 with half-open edges: they hold the
pixels x0 <= x < x1, and their middle is ((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2).  Pixels are RGB,
[H, W, 3], uint8, sRGB.  Points are (x, y), [..., 2], float64.  Affine maps are [2, 3]; one named
`to_photo` takes what it belongs to into photo pixels.  Positive angles turn clockwise as seen.
Landmarks are left eye, right eye, nose, left mouth corner, right mouth corner, left and right
as seen in the image.
"""

from facedial.faces.crop import FRAMES, HEAD_TEMPLATE, Crop, align, head_template
from facedial.faces.detector import NetworkDetector
from facedial.faces.face import Detection, Detector, Face, Landmarker
from facedial.faces.find import DETECTION_STAGES, face_from_eyes, find
from facedial.faces.geometry import warp, warp_float
from facedial.faces.landmarks import LANDMARK_PATCH, PATCH_TEMPLATE, locate, patch_of
from facedial.faces.photo import MAX_PIXELS, Photo

__all__ = [
    "DETECTION_STAGES",
    "FRAMES",
    "HEAD_TEMPLATE",
    "LANDMARK_PATCH",
    "MAX_PIXELS",
    "PATCH_TEMPLATE",
    "Crop",
    "Detection",
    "Detector",
    "Face",
    "Landmarker",
    "NetworkDetector",
    "Photo",
    "align",
    "face_from_eyes",
    "find",
    "head_template",
    "locate",
    "patch_of",
    "warp",
    "warp_float",
]
