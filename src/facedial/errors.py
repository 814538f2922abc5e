"""What a user can act on: each error is one clear sentence and knows its exit code."""


class FacedialError(Exception):
    """Base of every error meant for the user: found, expected, what to do, in one sentence."""

    exit_code = 1


class BadRequest(FacedialError):
    """The request itself is wrong: an unknown name, an amount out of range, an output that exists."""

    exit_code = 2


class UnknownName(BadRequest):
    """A name that is not in its table; the message suggests the nearest."""


class BadPhoto(FacedialError):
    """A file that is not a picture, is damaged, or is too large or too small."""


class BadClip(FacedialError):
    """A video file that is damaged, holds no pictures, or cannot be written as asked."""


class NoFaceFound(FacedialError):
    """A readable photo in which no face was found."""


class IdentityLost(FacedialError):
    """A face that even a weak edit changes more than `min_identity` allows."""


class CodeSpaceMismatch(FacedialError):
    """Codes, directions or priors of two different models were mixed."""


class BadBundle(FacedialError):
    """A bundle that is missing, damaged or of an unknown format."""


class BadStore(FacedialError):
    """A store that is missing, damaged, unfinished or of another frame or size."""


class BadIndex(FacedialError):
    """An index of faces that is missing, damaged, in use, or made with another model."""


class BadRun(FacedialError):
    """A training run that cannot be started, resumed or exported as asked."""
