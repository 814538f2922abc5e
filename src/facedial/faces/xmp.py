"""XMP packets of other programs: stale properties made right, the mark added, everything else kept.

XMP specification: ISO 16684-1.  A packet with a document type is refused, so that no entity is ever
expanded.
"""

import xml.parsers.expat
from collections.abc import Iterator, Mapping
from xml.dom import minidom
from xml.dom.minidom import Document, Element

from facedial.faces.mark import VOCABULARY

MAX_BYTES = 16_000_000
MAX_DEPTH = 100  # of nested elements
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMLNS = "http://www.w3.org/2000/xmlns/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TIFF = "http://ns.adobe.com/tiff/1.0/"
EXIF = "http://ns.adobe.com/exif/1.0/"
NOTE = "http://ns.adobe.com/xmp/note/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
SOURCE_TYPE = (IPTC, "DigitalSourceType")
EXTENDED = (NOTE, "HasExtendedXMP")
# They describe the unchanged picture, or what a file held behind it: a profile, a film, a gain map.
STALE: set[tuple[str, str]] = {
    EXTENDED,
    ("http://ns.adobe.com/xap/1.0/", "Thumbnails"),
    ("http://ns.adobe.com/photoshop/1.0/", "ICCProfile"),
    *((CAMERA, f"MotionPhoto{end}") for end in ("", "Version", "PresentationTimestampUs")),
    *((CAMERA, f"MicroVideo{end}") for end in ("", "Version", "Offset", "PresentationTimestampUs")),
}
STALE_SPACES = {
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.adobe.com/hdr-gain-map/1.0/",
}
Name = tuple[str, str]  # namespace, local name


def corrected(packet: bytes, size: tuple[int, int], *, converted: bool) -> tuple[bytes, bool]:
    """The packet for the upright picture of `size` (width, height), and whether it had an extension.

    Where `converted`, the colour space is sRGB.  An extension (the part of a JPEG's XMP beyond 64 KB)
    is not read, so the reference to it goes.  Text in UTF-8; unchanged where nothing is stale.
    Raises `ValueError` where the packet is not XMP that can be read.
    """
    right = {
        (TIFF, "Orientation"): "1",
        (TIFF, "ImageWidth"): str(size[0]),
        (TIFF, "ImageLength"): str(size[1]),
        (EXIF, "PixelXDimension"): str(size[0]),
        (EXIF, "PixelYDimension"): str(size[1]),
    }
    if converted:
        right[EXIF, "ColorSpace"] = "1"
    if b"\0" not in packet[:4]:  # of UTF-16 a zero is half of a letter, else it is padding
        packet = packet.rstrip(b"\0 \t\r\n")
    document = _parsed(packet)
    names = {name for description in _descriptions(document) for name in _names(description)}
    stale = {name for name in names if name in STALE or name[0] in STALE_SPACES}
    changed = bool(stale)
    for description in _descriptions(document):
        changed |= _set(description, right)
        for name in stale:
            _remove(description, name)
    if changed or not _is_utf8(packet):
        packet = _serialised(document)
    return packet, EXTENDED in names


def with_mark(packet: bytes, mark: str) -> bytes:
    """The packet with `mark`, a term of IPTC's list, in place of the digital source type it has.

    Raises `ValueError` where the packet is not XMP that can be read.
    """
    document = _parsed(packet)
    about = ""
    for description in _descriptions(document):
        about = about or description.getAttributeNS(RDF, "about")
        _remove(description, SOURCE_TYPE)
    rdf = _rdf(document)
    prefix = f"{rdf.prefix}:" if rdf.prefix else ""
    added = document.createElementNS(RDF, f"{prefix}Description")
    # The prefix is declared here: elsewhere in the packet it may be absent, or mean something else.
    added.setAttributeNS(XMLNS, "xmlns:Iptc4xmpExt", IPTC)
    added.setAttributeNS(RDF, f"{prefix or 'rdf:'}about", about)
    if not prefix:
        added.setAttributeNS(XMLNS, "xmlns:rdf", RDF)
    added.setAttributeNS(IPTC, f"Iptc4xmpExt:{SOURCE_TYPE[1]}", f"{VOCABULARY}{mark}")
    rdf.appendChild(added)
    return _serialised(document)


def _parsed(packet: bytes) -> Document:
    if len(packet) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES / 1e6:.0f} MB")
    _check(packet)
    try:
        document = minidom.parseString(packet)  # noqa: S318  (no document type: checked above)
    except Exception as error:  # whatever a parser raises, the packet cannot be used
        raise ValueError(f"no XML: {error}") from error
    _rdf(document)
    return document


def _check(packet: bytes) -> None:
    """Raise `ValueError` for what is not well-formed, has a document type or is nested too deeply."""
    depth = 0

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    def enter(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser = xml.parsers.expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(packet, True)
    except (xml.parsers.expat.ExpatError, LookupError) as error:  # LookupError: unknown encoding
        raise ValueError(f"no XML: {error}") from error


def _rdf(document: Document) -> Element:
    found = document.getElementsByTagNameNS(RDF, "RDF")
    if not found:
        raise ValueError("no RDF")
    return found[0]


def _descriptions(document: Document) -> list[Element]:
    return [element for element in _elements(_rdf(document)) if element.localName == "Description"]


def _elements(parent: Element) -> Iterator[Element]:
    return (node for node in list(parent.childNodes) if isinstance(node, Element))


def _names(description: Element) -> set[Name]:
    """Names of the properties of a description, written as attributes or as elements."""
    attributes = description.attributes.values()
    nodes = [*attributes, *_elements(description)]
    return {(node.namespaceURI, str(node.localName)) for node in nodes if node.namespaceURI}


def _set(description: Element, right: Mapping[Name, str]) -> bool:
    """Give properties that are there, as simple values, their right value; whether one was wrong."""
    wrong = False
    for name, value in right.items():
        attribute = description.getAttributeNodeNS(*name)
        if attribute is not None and attribute.value != value:
            attribute.value = value
            wrong = True
    for element in _elements(description):
        value = right.get((element.namespaceURI or "", element.localName), "")
        text = element.firstChild
        if value and isinstance(text, minidom.Text) and text.data.strip() != value:
            text.data = value
            wrong = True
    return wrong


def _remove(description: Element, name: Name) -> None:
    if description.hasAttributeNS(*name):
        description.removeAttributeNS(*name)
    for element in _elements(description):
        if (element.namespaceURI, element.localName) == name:
            description.removeChild(element)


def _serialised(document: Document) -> bytes:
    """UTF-8, without the declaration that an XMP packet does not begin with."""
    return "".join(node.toxml() for node in document.childNodes).encode()


def _is_utf8(packet: bytes) -> bool:
    try:
        packet.decode()
    except UnicodeDecodeError:
        return False
    return True
