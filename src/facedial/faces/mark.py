"""The mark of algorithmically made or changed pictures: IPTC's digital source type, in XMP.

It tells whoever asks, and programs that know it, what a picture is. It is a label, not a seal: saving
the picture in another program may lose it, and anyone can take it away.
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
PLACE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# An attribute of a description, or an element of its own; either is how XMP may be written.
_FOUND = re.compile(rb"DigitalSourceType[^>\w]*(?:[^>]*>\s*)?[^<>]*?digitalsourcetype/(\w+)")


def packet(mark: str) -> bytes:
    """The XMP packet that says `mark`, a term of IPTC's list.

    >>> found(packet(EDITED)) == EDITED
    True
    """
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmp:CreatorTool="facedial" Iptc4xmpExt:DigitalSourceType="{PLACE}{mark}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def found(xmp: bytes | str | None) -> str | None:
    """The mark in an XMP packet, by whatever program; None where there is none that we know.

    >>> found(b"<x:xmpmeta/>") is None
    True
    """
    data = xmp.encode() if isinstance(xmp, str) else xmp or b""
    seen = _FOUND.search(data)
    term = seen.group(1).decode() if seen else ""
    return term if term in MEANINGS else None
