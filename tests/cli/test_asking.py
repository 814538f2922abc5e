"""`--ask`: every kind of answer, and that answers are what options are, byte for byte."""

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facedial import strips
from facedial.cli.asking import GROUPS, Question, ask, questions_about
from facedial.codes.attributes import ATTRIBUTES, NAMES
from facedial.editor import Editor
from facedial.portrait import PortraitReader
from facedial.runtime.bundle import DEFAULT, home

from .conftest import QUICK, Done, Facedial, told

LIMITS = (-0.5, 1.5)
# Groups of three, three and one: enough for every way from one to the next and back.
SEVEN = [
    Question(name, f"Label of {name}", group)
    for name, group in zip("ABCDEFG", ["one"] * 3 + ["two"] * 3 + ["three"], strict=True)
]


@dataclass
class Talk:
    """What came of a questionnaire: answers, what a terminal showed, how many lines were not read."""

    answers: dict[str, float]
    said: list[str]
    left: int

    @property
    def asked(self) -> str:
        """Names in the order they were asked for."""
        return "".join(re.findall(r"\[(\w)\]", "\n".join(self.said)))

    @property
    def told(self) -> list[str]:
        """What was said between the questions."""
        return [line.strip() for line in self.said if line.startswith(8 * " ")]


def talk(*lines: str, questions: Sequence[Question] = SEVEN) -> Talk:
    """Answer with `lines`, after which the input ends."""
    waiting, said = list(lines), []

    def read() -> str | None:
        said.append("\n")
        return waiting.pop(0) if waiting else None

    answers = ask(questions, LIMITS, read, said.append)
    return Talk(answers, "".join(said).splitlines(), len(waiting))


def test_words_and_numbers_answer() -> None:
    done = talk("y", "n", "YES", " No \n", "0.25\n", "-0.5", "1.5\r\n")
    assert done.answers == {"A": 1, "B": 0, "C": 1, "D": 0, "E": 0.25, "F": -0.5, "G": 1.5}
    assert done.asked == "ABCDEFG"


def test_enter_leaves_open() -> None:
    done = talk("", "\n", "y", "  \n", "", "", "")
    assert (done.answers, done.asked) == ({"C": 1}, "ABCDEFG")


def test_the_end_of_input_leaves_the_rest_open() -> None:
    assert talk().answers == {}
    done = talk("y", "n")
    assert (done.answers, done.asked) == ({"A": 1, "B": 0}, "ABC")


@pytest.mark.parametrize("word", ["q", "done", "Q", "DONE\n"])
def test_done_leaves_the_rest_open_and_unread(word: str) -> None:
    done = talk("y", word, "y", "y")
    assert (done.answers, done.asked, done.left) == ({"A": 1}, "AB", 2)


@pytest.mark.parametrize("word", ["s", "skip", "S"])
def test_skip_leaves_the_rest_of_the_group_open(word: str) -> None:
    done = talk("y", word, "n", word, "y")
    assert (done.answers, done.asked) == ({"A": 1, "D": 0, "G": 1}, "ABDEG")
    assert talk(word, word, word, "y").asked == "ADG"


@pytest.mark.parametrize("word", ["b", "back", "Back\n"])
def test_back_asks_the_question_before_anew(word: str) -> None:
    assert talk("y", "n", word, "y").answers == {"A": 1, "B": 1}
    done = talk("y", "n", word, "", "y")
    assert (done.answers, done.asked) == ({"A": 1, "C": 1}, "ABCBCD")
    done = talk("y", "n", word, word, "0.5", "q")
    assert (done.answers, done.asked) == ({"A": 0.5}, "ABCBAB")


def test_back_leads_to_where_a_group_was_skipped() -> None:
    done = talk("y", "s", "b", "n", "y", "y")
    assert done.asked == "ABDBCDE"
    assert done.answers == {"A": 1, "B": 0, "C": 1, "D": 1}


def test_back_at_the_first_question_says_so() -> None:
    done = talk("b", "y", "b", "b", "n")
    assert done.told == ["this is the first question"] * 2
    assert (done.answers, done.asked) == ({"A": 0}, "AABAAB")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("maybe", "'maybe' is not an answer; type y, n, a number in -0.5..1.5, or ? for help"),
        ("Smiling=1", "'smiling=1' is not an answer"),
        ("0,5", "'0,5' is not an answer"),
        ("1.51", "1.51 is out of range; a number must lie in -0.5..1.5"),
        ("-1", "-1 is out of range"),
        ("nan", "nan is out of range"),
        ("inf", "inf is out of range"),
        ("9" * 999, f"{'9' * 40} is out of range"),
        ("\x1b[31m" + "x" * 999, f"'?[31m{'x' * 35}' is not an answer"),
    ],
)
def test_a_wrong_answer_is_told_in_one_sentence(word: str, sentence: str) -> None:
    done = talk("y", word, "0.5")
    (said,) = done.told
    assert said.startswith(sentence)
    assert (done.answers, done.asked) == ({"A": 1, "B": 0.5}, "ABBC")


def test_help_says_what_each_answer_does() -> None:
    done = talk("?", "y")
    assert (done.answers, done.asked) == ({"A": 1}, "AAB")
    rows = dict(re.split(" {2,}", line, maxsplit=1) for line in done.told)
    assert list(rows) == [
        *("Enter", "y, yes", "n, no", "-0.5..1.5", "s, skip", "b, back", "q, done")
    ]
    assert rows["Enter"] == "leaves it open"
    photo = talk("?", questions=[Question("A", "Label", "one", now=0.5, weak=True)])
    more = dict(re.split(" {2,}", line, maxsplit=1) for line in photo.told)
    assert list(more) == [*rows, "now", "(low AUC)"]
    assert more["Enter"] == "keeps it as it is"


def test_a_question_shows_what_is_known() -> None:
    questions = [
        Question("Smiling", "Smile", "mouth"),
        Question("Male", "Male", "person", now=0.834),
        Question("Young", "Young", "person", weak=True),
        Question("Bangs", "Fringe", "hair", now=0.0, weak=True),
    ]
    assert talk("", "", "", "", questions=questions).said == [
        *("", "Mouth", "  1/4  Smile [Smiling]: "),
        *("", "Person", "  2/4  Male [Male], now 0.83: "),
        "  3/4  Young [Young] (low AUC): ",
        *("", "Hair", "  4/4  Fringe [Bangs], now 0.00 (low AUC): "),
    ]


def test_nothing_to_ask() -> None:
    assert talk("y", questions=[]) == Talk({}, [], 1)


WORDS = st.sampled_from(["y", "n", "", "s", "b", "q", "?", "maybe", "0.3", "2", "nan"])


@given(st.lists(WORDS, max_size=60))
def test_every_line_answers_one_question(lines: list[str]) -> None:
    done = talk(*lines)
    assert done.answers.keys() <= set("ABCDEFG")
    assert set(done.answers.values()) <= {0, 1, 0.3}
    # where the input ends, one question more was asked
    assert len(done.asked) - (len(lines) - done.left) in (0, 1)


@given(st.lists(st.floats(*LIMITS), min_size=7, max_size=7))
def test_numbers_come_through_exactly(amounts: list[float]) -> None:
    assert list(talk(*map(repr, amounts)).answers.values()) == amounts


def test_groups_are_those_of_the_attributes() -> None:
    assert set(GROUPS) == {a.group for a in ATTRIBUTES}
    assert len(GROUPS) == len(set(GROUPS))


def test_questions_stand_in_groups_and_know_what_is_weak() -> None:
    aucs = {name: 0.8 for name in NAMES} | {"Male": 0.79, "Young": None}
    made = questions_about([*NAMES, "my own direction"], aucs)
    assert [q.group for q in made] == sorted((q.group for q in made), key=GROUPS.index)
    assert sorted(q.name for q in made) == sorted(NAMES)
    assert {q.name for q in made if q.weak} == {"Male", "Young"}
    assert {q.now for q in made} == {None}
    assert {q.name: q.label for q in made} == {a.name: a.label for a in ATTRIBUTES}
    now = {name: i / 40 for i, name in enumerate(NAMES)}
    few = questions_about(["Smiling", "Male"], aucs, now)
    assert [(q.name, q.now) for q in few] == [("Male", 0.5), ("Smiling", 31 / 40)]


Answering = Callable[..., Done]


class Terminal(io.BytesIO):
    """Lines that somebody types."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture
def answering(facedial: Facedial, monkeypatch: pytest.MonkeyPatch) -> Answering:
    """`answering(lines, *words)`: as `facedial(*words)`, with `lines` on stdin."""

    def call(lines: str | bytes, *words: object, terminal: bool = False) -> Done:
        body = lines.encode() if isinstance(lines, str) else lines
        source = Terminal(body) if terminal else io.BytesIO(body)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(source))
        return facedial(*words)

    return call


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face that the bundled model drew."""
    path = tmp_path_factory.mktemp("drawn") / "drawn.png"
    with Editor.open() as editor:
        strips.save_faces(
            editor, editor.generate(1, seed=0, prior="gaussian"), path, names=["new"], as_grid=True
        )
    return path


def asked(done: Done) -> list[str]:
    """Names that were asked for, in order."""
    return re.findall(r"^ *\d+/\d+ .*?\[(\w+)\]", done.err, re.MULTILINE)


def same(done: Done) -> list[str]:
    """The options that are said to do the same."""
    (line,) = [line for line in done.err.splitlines() if "without questions" in line]
    return shlex.split(line.removeprefix("the same without questions: "))


# Person: attractive, male, young; then hair, eyes, and the mouth's lips, slightly open, smile.
ANSWERS = "\nn\nmaybe\n?\n0.3\ns\nskip\n\nb\n\n\nyes\ndone\n"
OPTIONS = ["--set", "Male=0", "--set", "Young=0.3", "--set", "Smiling=1"]


def test_generate_with_answers_is_generate_with_options(
    facedial: Facedial, answering: Answering
) -> None:
    done = answering(ANSWERS, "generate", *QUICK, "-n", 4, "--ask", "-o", "asked.png")
    assert (done.code, done.out) == (0, "asked.png\n")
    assert same(done) == OPTIONS
    facedial("generate", *QUICK, "-n", 4, *OPTIONS, "-o", "options.png")
    assert Path("asked.png").read_bytes() == Path("options.png").read_bytes()
    facedial("generate", *QUICK, "-n", 4, "-o", "plain.png")
    assert Path("asked.png").read_bytes() != Path("plain.png").read_bytes()


@pytest.mark.usefixtures("few_steps")
def test_edit_with_answers_is_edit_with_options(
    facedial: Facedial, answering: Answering, photo: Path
) -> None:
    done = answering(ANSWERS, "edit", "--ask", photo, "--strength", 0.5, "-o", "asked.png")
    assert (done.code, done.out) == (0, "asked.png\n")
    assert same(done) == OPTIONS
    facedial("edit", photo, *OPTIONS, "--strength", 0.5, "-o", "options.png")
    assert Path("asked.png").read_bytes() == Path("options.png").read_bytes()
    assert Path("asked.png").read_bytes() != photo.read_bytes()


def test_through_a_real_pipe(facedial: Facedial, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S603
        [
            sys.executable,
            "-m",
            "facedial",
            "generate",
            *QUICK,
            "-n",
            "1",
            "--ask",
            "-o",
            "pipe.png",
        ],
        input=b"y\nn",
        capture_output=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == [b"pipe.png"]
    wished = ("--set", "Attractive=1", "--set", "Male=0")
    facedial("generate", *QUICK, "-n", 1, *wished, "-o", "same.png")
    assert Path("pipe.png").read_bytes() == Path("same.png").read_bytes()


def test_odd_amounts_are_said_exactly(facedial: Facedial, answering: Answering) -> None:
    words = ("generate", *QUICK, "-n", 1)
    done = answering("0.1234567890123\n-0.25\nq\n", *words, "--ask", "-o", "a.png")
    assert same(done) == ["--set", "Attractive=0.1234567890123", "--set", "Male=-0.25"]
    facedial(*words, *same(done), "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_no_answer_to_generate_is_no_wish(facedial: Facedial, answering: Answering) -> None:
    words = ("generate", *QUICK, "-n", 2)
    facedial(*words, "-o", "plain.png")
    for i, lines in enumerate(("", "q\n", 40 * "\n", 9 * "s\n")):
        done = answering(lines, *words, "--ask", "-o", f"{i}.png")
        assert (done.code, done.out) == (0, f"{i}.png\n")
        assert "without questions" not in done.err
        assert Path(f"{i}.png").read_bytes() == Path("plain.png").read_bytes()


def test_no_answer_to_edit_is_nothing_to_change(answering: Answering, photo: Path) -> None:
    for lines in ("", "q\n", 40 * "\n", "y\nb\n\n"):
        done = answering(lines, "edit", "--ask", photo, "-o", "out.png")
        assert (done.code, done.out) == (2, "")
        assert "nothing to change; give --set" in done.err.splitlines()[-1]
    assert list(Path().iterdir()) == []


@pytest.mark.usefixtures("few_steps")
def test_generate_asks_for_all_that_its_prior_knows(answering: Answering, editor: Editor) -> None:
    done = answering(40 * "\n", "generate", "-n", 1, "--ask")
    assert sorted(asked(done)) == sorted(NAMES)
    weak = {name for name, auc in editor.model.classifier_auc().items() if (auc or 0) < 0.8}
    assert weak
    shown = [line for line in done.err.splitlines() if "(low AUC)" in line]
    assert {re.findall(r"\[(\w+)\]", line)[0] for line in shown} == weak
    assert "now" not in done.err


def test_edit_shows_what_the_photo_has(
    facedial: Facedial, answering: Answering, photo: Path
) -> None:
    (row,) = json.loads(facedial("attributes", photo, "--json").out)["results"]
    done = answering(40 * "\n", "edit", "--ask", photo)
    shown = dict(re.findall(r"\[(\w+)\], now (\d\.\d\d)", done.err))
    assert shown == {name: f"{value:.2f}" for name, value in row["attributes"].items()}
    assert len(set(shown.values())) > 10
    weak = {name for name, auc in row["auc"].items() if auc < 0.8}
    assert set(re.findall(r"\[(\w+)\], now \S+ \(low AUC\)", done.err)) == weak


@pytest.mark.usefixtures("few_steps")
def test_the_photo_is_read_once(
    answering: Answering, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = PortraitReader.read, []

    def noted(*what: Any, **more: Any) -> Any:
        calls.append(1)
        return read(*what, **more)

    monkeypatch.setattr(PortraitReader, "read", noted)
    assert answering("\ny\n", "edit", "--ask", photo).code == 0
    assert len(calls) == 1


def test_what_generate_is_given_is_not_asked(facedial: Facedial, answering: Answering) -> None:
    words = ("generate", *QUICK, "-n", 1, "--set", "no beard=1", "--set", "male=0")
    done = answering("y\n0\nq\n", *words, "--ask", "-o", "a.png")
    assert done.err.count("not asked, as options give them: Male, No_Beard\n") == 1
    assert asked(done) == ["Attractive", "Young", "Bald"]
    assert "  1/38  " in done.err
    both = ["--set", "no beard=1", "--set", "male=0", "--set", "Attractive=1", "--set", "Young=0"]
    assert same(done) == both
    facedial("generate", *QUICK, "-n", 1, *both, "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


@pytest.mark.usefixtures("few_steps")
def test_what_edit_is_given_is_not_asked(
    facedial: Facedial, answering: Answering, photo: Path
) -> None:
    Path("p.json").write_text('{"set": {"Bald": 0.2}}')
    words = ("--set", "attractive=1", "--add", "Smiling=1", "--keep", "male", "--preset", "p.json")
    done = answering("y\nq\n", "edit", "--ask", photo, *words, "-o", "a.png")
    assert done.code == 0
    assert done.err.count("not asked, as options give them") == 1
    assert "options give them: Attractive, Male, Bald, Smiling\n" in done.err
    assert asked(done) == ["Young", "Bangs"]
    assert same(done) == ["--set", "attractive=1", "--set", "Young=1"]
    facedial("edit", photo, *words, "--set", "Young=1", "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    done = answering("q\n", "edit", "--ask", photo, *words, "-o", "c.png")
    facedial("edit", photo, *words, "-o", "d.png")
    assert Path("c.png").read_bytes() == Path("d.png").read_bytes()


def test_answers_from_a_file_are_shown_and_typed_ones_are_not(answering: Answering) -> None:
    words = ("generate", *QUICK, "-n", 1, "--ask", "--overwrite")
    piped = answering("y\n\nq\n", *words).err
    assert "[Attractive]: y\n  2/40  Male [Male]: \n" in piped
    typed = answering("y\n\nq\n", *words, terminal=True).err
    assert "[Attractive]:   2/40  Male [Male]:   3/40  Young [Young]: \n" in typed
    # where a terminal's input ends, what follows begins a new line
    assert answering("", *words, terminal=True).err.endswith("[Attractive]: \n")


def test_what_is_no_text_is_no_answer(answering: Answering) -> None:
    done = answering(b"\xff\xfe\x00\n\xef\xbb\xbfy\r\nq", "generate", *QUICK, "-n", 1, "--ask")
    assert done.code == 0
    assert done.err.count("is not an answer") == 1
    assert same(done) == ["--set", "Attractive=1"]


def test_no_stdin_at_all(facedial: Facedial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert facedial("generate", *QUICK, "-n", 1, "--ask").lines == ["faces.png"]


@pytest.mark.usefixtures("few_steps")
def test_another_model(answering: Answering, photo: Path, tmp_path: Path) -> None:
    other = tmp_path.parent / f"{tmp_path.name}-other"
    shutil.copytree(home() / DEFAULT, other)
    facts = json.loads((other / "bundle.json").read_text())
    facts["parts"]["reader"]["attributes"]["Male"]["auc"] = 0.51
    (other / "bundle.json").write_text(json.dumps(facts))
    done = answering("\ny\n", "generate", "-n", 1, "--ask", "--model", other)
    assert (done.code, done.out) == (0, "faces.png\n")
    assert "[Male] (low AUC): " in done.err
    done = answering("\ny\n", "edit", "--ask", photo, "--model", other)
    assert (done.code, done.out) == (0, "drawn-edited.png\n")
    assert re.search(r"\[Male\], now \d\.\d\d \(low AUC\): ", done.err)


BEFORE_ANY_QUESTION = [
    (["generate", "--prior", "uniform"], "uniform prior has none"),
    (["generate", "--set", "Smilling=1"], "did you mean Smiling?"),
    (["generate", "--set", "Smiling=7"], "-0.5..1.5"),
    (["generate", "-o", "there.png"], "there.png exists"),
    (["edit", "PHOTO", "other.png"], "--ask is for one face of one photo"),
    (["edit", "folder"], "--ask is for one face of one photo"),
    (["edit", "PHOTO", "--face", "all"], "--ask is for one face of one photo"),
    (["edit", "PHOTO", "--face", "2"], "drawn.png has 1 face, so there is no face 2"),
    (["edit", "PHOTO", "--set", "Smilling=1"], "did you mean Smiling?"),
    (["edit", "PHOTO", "--strength", "0"], "nothing to change"),
    (["edit", "PHOTO", "--method", "flaw"], "no edit method named 'flaw'"),
    (["edit", "PHOTO", "-o", "there.png"], "there.png exists"),
    (["edit"], "Missing argument 'PHOTO...'"),
]


@pytest.mark.parametrize(
    ("words", "sentence"), BEFORE_ANY_QUESTION, ids=lambda value: str(value)[:60]
)
def test_what_can_be_refused_is_refused_before_any_question(
    answering: Answering, photo: Path, words: list[str], sentence: str
) -> None:
    Path("folder").mkdir()
    for name in ("there.png", "folder/1.png", "folder/2.png"):
        Path(name).write_bytes(b"what was there")
    real = (photo if word == "PHOTO" else word for word in words)
    told(answering("y\ny\n", *real, "--ask"), sentence, code=2)
    assert sorted(path.name for path in Path().iterdir()) == ["folder", "there.png"]


def test_a_bad_photo_is_told_as_without_questions(facedial: Facedial, answering: Answering) -> None:
    Path("empty").mkdir()
    Path("bad.png").write_bytes(b"no picture")
    for name in ("gone.png", "bad.png", "empty"):
        done = answering("y\n", "edit", "--ask", name)
        assert done == facedial("edit", name, "--set", "Smiling=1")
        told(done, name)
