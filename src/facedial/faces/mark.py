"""The mark of algorithmically made or changed pictures: IPTC's digital source type, in XMP.

Programs that show this property tell what a picture is.  It is a label, not a signature: another program
may drop it when it saves the picture, and anyone can remove it.
"""

import re

# https://cv.iptc.org/newscodes/digitalsourcetype/
EDITED = "compositeWithTrainedAlgorithmicMedia"
GENERATED = "trainedAlgorithmicMedia"
MEANINGS = {
    EDITED: "a picture with parts made by a trained algorithm",
    GENERATED: "a picture made by a trained algorithm",
    "compositeSynthetic": "a picture put together with synthetic parts",
    "algorithmicMedia": "a picture made by an algorithm",
    "algorithmicallyEnhanced": "a picture enhanced by an algorithm",
}
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# XMP writes a property as an attribute of a description or as an element.
_FOUND = re.compile(rb"DigitalSourceType[^>\w]*(?:[^>]*>\s*)?[^<>]*?digitalsourcetype/(\w+)")


def packet(mark: str) -> bytes:
    """An XMP packet with the digital source type `mark`, a term of IPTC's vocabulary.

    >>> found(packet(EDITED)) == EDITED
    True
    """
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmp:CreatorTool="facedial" Iptc4xmpExt:DigitalSourceType="{VOCABULARY}{mark}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def found(xmp: bytes | str | None) -> str | None:
    """The mark in an XMP packet of any program; None without one, or for a term not in `MEANINGS`.

    >>> found(b"<x:xmpmeta/>") is None
    True
    """
    data = xmp.encode() if isinstance(xmp, str) else xmp or b""
    seen = _FOUND.search(data)
    term = seen.group(1).decode() if seen else ""
    return term if term in MEANINGS else None
