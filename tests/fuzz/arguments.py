"""Command lines, and verdicts to be written in each format, for the fuzz."""

from dataclasses import dataclass

from hypothesis import strategies as st

from fini_gate.errors import OutageError
from fini_gate.models import Job, JobState
from tests.chaos.replies import KEY
from tests.chaos.start import SWITCHES, option

from .strategies import FILES, good_values, hostile_inputs
from .texts import Draw, any_ids, mostly, one_in, texts

# --- Command lines ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArgumentsCase:
    """A command line, and what of it has to be understood whatever the rest is."""

    arguments: list[str]
    options: dict[str, str]
    job_ids: list[str]
    stdin: bytes
    last_status: str  # of all jobs


_good_options = {name: values for name, values in good_values.items() if name not in SWITCHES} | {
    **dict.fromkeys(SWITCHES, st.sampled_from(("true", "false"))),
    **{name: st.just(path) for name, path in FILES.items()},
    "json": st.just("true"),
}
_arguments = texts | st.sampled_from(
    (
        *(f"--api-key={KEY}", f"--{KEY}", f"-{KEY}", f"--api-key-file={KEY}", "--api-key-file=/", "--api-ke=x", "-x"),
        *("--no-json", "--nope=a b", "--timeou", "-", "-5", "", "-h", "--version", "--help=x", "---", "\udcff", "=x"),
    )
)
_wrong_options = hostile_inputs.filter(lambda item: item[0] != "results-file").map(lambda item: item[:2])


@st.composite
def arguments_cases(draw: Draw) -> ArgumentsCase:
    """Make a command line of options, job IDs and anything else."""
    options = draw(st.fixed_dictionaries({}, optional=_good_options))
    wrong = draw(st.lists(_wrong_options, max_size=2)) if one_in(draw, 2) else []
    others = draw(st.lists(_arguments, max_size=3)) if one_in(draw, 2) else []
    ids = draw(st.lists(any_ids.filter(lambda job_id: not job_id.startswith("-")), max_size=4))
    pieces = [option(name, text, is_one=draw(st.booleans())) for name, text in options.items()]
    pieces += [[f"--{name}={text}"] for name, text in wrong] + [[other] for other in others]
    arguments = [argument for piece in draw(st.permutations(pieces)) for argument in piece]
    lost = {name for name, _ in wrong}
    place = draw(st.integers(0, len(ids)))
    arguments = [*ids[:place], *arguments]
    if one_in(draw, 5):
        lost.add("timeout")
        arguments.append("--timeout")
    arguments += ["--", *ids[place:]]
    known = {name: text for name, text in options.items() if name not in lost}
    stdin, status = st.sampled_from((b"", b"job-1", b"\xff", KEY.encode())), st.sampled_from(("COMPLETED", "PENDING"))
    return ArgumentsCase(arguments, known, ids, draw(stdin), draw(status))


# --- Formats ----------------------------------------------------------------------------------------------------------

_short_texts = texts.map(lambda text: text[:190] or "x")
_times = st.sampled_from((None, "2026-06-11T12:00:05.000Z", "2026-06-11T12:00:01Z")) | texts
_format_jobs = st.builds(
    Job,
    id=any_ids | _short_texts,
    state=st.sampled_from(JobState),
    started_at=_times,
    completed_at=_times,
    article_is_draft=st.none() | st.booleans(),
    **dict.fromkeys(("status", "document_id", "article_id", "article_title", "reason"), st.none() | texts.filter(bool)),
)
format_cases = st.tuples(
    st.lists(_format_jobs, max_size=4, unique_by=lambda job: job.id.lower()),
    mostly(st.none(), st.builds(OutageError, texts.map("Down: {}".format))),
    st.floats(0, 1e6),
)
