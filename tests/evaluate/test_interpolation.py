"""What lies between two people."""

from facedial import scores
from facedial.editor import Editor


def test_halfway_between_two_people_is_a_face_and_no_fade(editor: Editor) -> None:
    """A fade of one over the other has half the edges of either; a face of its own has nearly all."""
    codes = editor.generate(2, seed=1)
    ends = scores.sharpness(editor.decode(codes)).reshape(-1, 2).mean(1)
    faces = [editor.reader.of_code(code) for code in codes]
    pairs = list(zip(faces[::2], faces[1::2], strict=True))
    by_flow, faded = (
        [editor.interpolate(pair, 3, linear=linear)[1] for pair in pairs]
        for linear in (False, True)
    )
    kept, lost = (scores.sharpness(editor.decode(one)) / ends for one in (by_flow, faded))
    assert kept.min() > 0.75
    assert lost.max() < 0.7
