"""A questionnaire in the terminal: one attribute after another, each of which may be left open.

`ask` uses neither terminal nor model. Questions go to stderr and answers come from stdin, so that a
file of answers can be piped in and stdout carries results only. `click.prompt` cannot do this: it raises
the same `Abort` at the end of its input, which is an answer here (the rest stays open), and at Ctrl-C,
which ends the program; and click 8.1, the oldest that is supported, writes part of a prompt to stdout.
"""

import io
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from facedial.cli import streams
from facedial.cli.options import Amount
from facedial.codes.attributes import ATTRIBUTES, WEAK, is_weak
from facedial.errors import BadRequest

# From what a face is seen to be first to what hardly belongs to it.
GROUPS = ("person", "hair", "eyes", "mouth", "shape", "beard", "skin", "worn", "picture")
AMOUNTS = {"y": 1.0, "yes": 1.0, "n": 0.0, "no": 0.0}
SKIP, DONE, BACK, HELP = ("s", "skip"), ("q", "done"), ("b", "back"), ("?",)
SHOWN = 40  # characters of an answer that is none

Read = Callable[[], str | None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Question:
    """One attribute to ask for: `name` as CelebA spells it, `label` and `group` for people.

    `now`: its predicted probability in the photo; None without a photo. `weak`: whether the
    classifier's AUC for it is too low to rely on (`codes.attributes.WEAK`).
    """

    name: str
    label: str
    group: str
    now: float | None = None
    weak: bool = False

    @property
    def text(self) -> str:
        """The question as it is shown."""
        now = "" if self.now is None else f", now {self.now:.2f}"
        return f"{self.label} [{self.name}]{now}{' (low AUC)' if self.weak else ''}"

    @property
    def unanswered(self) -> str:
        """What no answer does."""
        return "leaves it open" if self.now is None else "keeps it as it is"


def questions_about(
    names: Collection[str],
    aucs: Mapping[str, float | None],
    now: Mapping[str, float] | None = None,
) -> list[Question]:
    """A question for each of `names` that is an attribute of CelebA's, group by group.

    `aucs`: as `Editor.reliability` has them. `now`: probabilities in a photo, as
    `Editor.predict_attributes` has them.
    """
    return [
        Question(
            a.name, a.label, a.group, None if now is None else now[a.name], is_weak(aucs[a.name])
        )
        for a in sorted(ATTRIBUTES, key=lambda a: GROUPS.index(a.group))
        if a.name in names
    ]


def ask(
    questions: Sequence[Question], limits: tuple[float, float], read: Read, say: Say
) -> dict[str, float]:
    """Attribute -> amount in `limits`, for the questions that were answered.

    `read` gives a line, None when there are no more, which leaves the rest unanswered. `say` shows
    text as it is, with no line's end of its own. Questions of one group stand together. One gone
    back to is asked anew: its answer is forgotten.
    """
    answers: dict[str, float] = {}
    trail: list[int] = []  # where answers were given, for the way back: a skip may have leapt far
    at, group = 0, None
    while at < len(questions):
        question = questions[at]
        if question.group != group:
            group = question.group
            say(f"\n{group.capitalize()}\n")
        say(f"{at + 1:3}/{len(questions)}  {question.text}: ")
        line = read()
        word = DONE[0] if line is None else line.strip().lower()
        if word in DONE:
            break
        if word in HELP:
            say(_explained(question, limits))
        elif word in BACK and not trail:
            say("        this is the first question\n")
        elif word in BACK:
            at = trail.pop()
            answers.pop(questions[at].name, None)
        elif word in SKIP:
            trail.append(at)
            while at < len(questions) and questions[at].group == group:
                at += 1
        else:
            try:
                if word:
                    answers[question.name] = _amount(word, limits)
            except BadRequest as error:
                say(f"        {error}\n")
                continue
            trail.append(at)
            at += 1
    return answers


def in_terminal(
    questions: Sequence[Question],
    limits: tuple[float, float],
    given: Collection[str],
    sets: Sequence[Amount],
) -> tuple[Amount, ...]:
    """Ask on stderr, with answers from stdin; returns the answers as `--set` would give them.

    `given`: attributes that options name already, which are not asked for again. `sets`: what
    `--set` gave, for the command line that does the same without questions.
    """
    spared = [question.name for question in questions if question.name in given]
    left = [question for question in questions if question.name not in given]
    if spared:
        streams.tell(f"not asked, as options give them: {', '.join(spared)}")
    if left:
        low, high = limits
        streams.tell(
            f"y, n or a number in {low:g}..{high:g}; Enter {left[0].unanswered}; s skips the group, "
            "b goes back, q ends, ? explains"
        )
    answers = tuple(ask(left, limits, _reader(), streams.show).items())
    if answers:
        texts = [f"{name}={repr(amount).removesuffix('.0')}" for name, amount in (*sets, *answers)]
        words = [word for text in texts for word in ("--set", text)]
        streams.tell("")
        streams.tell(f"the same without questions: {shlex.join(words)}")
    return answers


def also_set(implied: Mapping[str, float], file: str | None = None) -> str:
    """The sentence that names the implied attributes that are set too, and the file where given."""
    values = ", ".join(f"{name}={amount:.2g}" for name, amount in implied.items())
    about = "" if file is None else f"{file}: "
    return f"{about}also set, as implied: {values} (--exactly sets nothing else)"


def _amount(word: str, limits: tuple[float, float]) -> float:
    low, high = limits
    try:
        amount = AMOUNTS[word] if word in AMOUNTS else float(word)
    except ValueError as error:
        raise BadRequest(
            f"{_shown(word)!r} is not an answer; type y, n, a number in {low:g}..{high:g}, or ? for help"
        ) from error
    if not low <= amount <= high:
        raise BadRequest(f"{_shown(word)} is out of range; a number must lie in {low:g}..{high:g}")
    return amount


def _explained(question: Question, limits: tuple[float, float]) -> str:
    low, high = limits
    rows = [
        ("Enter", question.unanswered),
        ("y, yes", "with it, as 1"),
        ("n, no", "without it, as 0"),
        (f"{low:g}..{high:g}", "target value: 0 as people without it, 1 as people with it"),
        ("s, skip", "the rest of this group is left as Enter leaves it"),
        ("b, back", "the question before, asked anew"),
        ("q, done", "all the rest is left as Enter leaves it"),
    ]
    if question.now is not None:
        rows.append(("now", "its predicted probability in the photo, 0..1"))
    if question.weak:
        rows.append(
            ("(low AUC)", f"the classifier's AUC on unseen people is below {WEAK:g}: unreliable")
        )
    return "".join(f"        {word:<14}  {meaning}\n" for word, meaning in rows)


def _reader() -> Read:
    """Lines of stdin; none where it is closed. Bytes that are not text become an invalid answer."""
    stream: BinaryIO = sys.stdin.buffer if sys.stdin else io.BytesIO()
    typed = stream.isatty()

    def read() -> str | None:
        line = stream.readline().decode("utf-8-sig", "replace")
        # A terminal has shown what was typed; from a file, questions would run into one line.
        if not (typed and line):
            streams.show(_shown(line.rstrip()) + "\n")
        return line or None

    return read


def _shown(word: str) -> str:
    """The beginning of an answer, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in word[:SHOWN])
