import json
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fini_gate.errors import CancelledError, GateError, InternalError, OutageError, RequestRefusedError, UsageError
from fini_gate.inputs import Inputs
from fini_gate.job_ids import read_job_ids
from fini_gate.models import Job, JobState
from fini_gate.output import report
from fini_gate.verdict import Limit, Verdict, decide

LIMIT = 450_000
LEFT_EMPTY_IN_ORDER = [
    *("completed-job-ids", "articles-by-job", "article-ids-lines", "pending-job-ids", "missing-job-ids"),
    *("unreadable-job-ids", "failed-job-ids", "article-ids"),
]
NAMES = {
    *("result", "message", "article-ids", "article-ids-lines", "articles-by-job", "completed-job-ids"),
    *("failed-job-ids", "pending-job-ids", "missing-job-ids", "unreadable-job-ids", "job-count", "completed-count"),
    *("failed-count", "pending-count", "missing-count", "unreadable-count", "article-count", "elapsed-seconds"),
    "results-file",
}
HOSTILE = "\n::error::planted\r##[error]<b>@team `|` [x](y)\x1b[2K\u2028\ud800"
TIMEOUT = Limit("timeout", 1800)
STALL = Limit("stall-timeout", 90)
ERRORS = [
    UsageError("Input timeout is 'soon': it must be a duration."),
    RequestRefusedError("The API refused the key."),
    OutageError("The API gave no usable answer for 5m."),
    InternalError("fini-gate itself failed."),
    CancelledError(signal.SIGTERM),
]

COMPLETED = Job(id="done", state=JobState.COMPLETED, status="COMPLETED", article_id="article-1", document_id="doc-1")
NO_ARTICLE = Job(id="nothing", state=JobState.COMPLETED, status="COMPLETED")
FAILED = Job(id="bad", state=JobState.FAILED, status="FAILED", reason="no text", document_id="doc-2")
PENDING = Job(id="slow", status="IN_PROGRESS")
MISSING = Job(id="gone", state=JobState.MISSING, reason="the API does not know the ID (404)")
UNREADABLE = Job(id="dark", state=JobState.UNREADABLE, reason="HTTP 500")
ALL = (COMPLETED, FAILED, PENDING, MISSING, UNREADABLE, NO_ARTICLE)


def _verdict(*jobs: Job, error: GateError | None = None, limit: Limit | None = None, seconds: float = 65) -> Verdict:
    return decide(jobs, elapsed_seconds=seconds, error=error, limit=limit)


def _outputs(*jobs: Job, **arguments: Any) -> dict[str, str]:  # noqa: ANN401 - those of `_verdict`
    return report.outputs(_verdict(*jobs, **arguments), results_file="")[0]


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _many(job: Job, count: int) -> list[Job]:
    return [job._replace(id=f"{job.id}-{number}") for number in range(count)]


# --- The message and the errors


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (_verdict(COMPLETED), "1 article made or updated: 1 of 1 job completed, after 1m5s."),
        (_verdict(NO_ARTICLE, NO_ARTICLE), "0 articles made or updated: 2 of 2 jobs completed, after 1m5s."),
        (_verdict(), "There were no job IDs, so there was nothing to wait for."),
        (
            _verdict(*ALL),
            "2 of 6 jobs completed, 1 failed, 1 pending, 1 missing, 1 unreadable, after 1m5s.",
        ),
        (
            _verdict(UNREADABLE),
            "The API failed to tell the status of some jobs: 0 of 1 job completed, 1 unreadable, after 1m5s.",
        ),
        (
            _verdict(COMPLETED, PENDING, limit=TIMEOUT, seconds=1800),
            "Not all jobs ended within 30m (timeout): 1 of 2 jobs completed, 1 pending, after 30m.",
        ),
        (
            _verdict(PENDING, limit=replace(TIMEOUT, incomplete_reason="HTTP 502"), seconds=30),
            (
                f"{report.message(_verdict(PENDING, limit=TIMEOUT, seconds=30))}"
                " The last look was not answered in full: HTTP 502."
            ),
        ),
        (
            _verdict(PENDING, limit=STALL, seconds=95.5),
            "Nothing changed for 1m30s (stall-timeout): 0 of 1 job completed, 1 pending, after 1m36s.",
        ),
        (
            _verdict(PENDING, limit=Limit("timeout", 0), seconds=0.2),
            "Not all jobs had ended when looked at once (timeout 0): 0 of 1 job completed, 1 pending, after 0.2s.",
        ),
        (
            _verdict(PENDING, error=OutageError("No usable answer for 5m.")),
            "No usable answer for 5m. 0 of 1 job completed, 1 pending, after 1m5s.",
        ),
        (
            _verdict(PENDING, error=CancelledError(signal.SIGINT)),
            "Cancelled by SIGINT. 0 of 1 job completed, 1 pending, after 1m5s.",
        ),
        (_verdict(error=UsageError("Input timeout is 'soon'.")), "Input timeout is 'soon'."),
    ],
)
def test_message__says_what_happened_with_counts_and_time(verdict: Verdict, message: str) -> None:
    """The message tells the ending, how many jobs are in which state, and the time."""
    assert report.message(verdict) == message


@pytest.mark.parametrize("error", ERRORS)
def test_message__of_an_error_before_there_were_jobs_says_what_happened(error: GateError) -> None:
    """An error that came before the job IDs were read is told, and not that there were none."""
    verdict = _verdict(error=error)
    assert str(error) in report.message(verdict)
    assert str(error) in report.error_text(verdict)
    assert "no job IDs" not in report.message(verdict)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (_verdict(FAILED), ["job bad (document doc-2) failed: no text", "Queue the failed jobs again"]),
        (_verdict(MISSING), ["job gone is missing: the API does not know the ID", "check the IDs, that the key is of"]),
        (_verdict(UNREADABLE), ["job dark is unreadable: HTTP 500", "ask Fini's support"]),
        (_verdict(UNREADABLE, MISSING, FAILED), ["job bad", "job gone", "job dark", "failed jobs again", "the key"]),
        (_verdict(PENDING, limit=TIMEOUT), ["within 30m (timeout)", "hand pending-job-ids to", "or raise timeout."]),
        (_verdict(PENDING, limit=STALL), ["(stall-timeout)", "pending-job-ids", "or raise stall-timeout."]),
        (_verdict(PENDING, error=CancelledError(signal.SIGTERM)), ["Cancelled by SIGTERM.", "pending-job-ids"]),
        *((_verdict(PENDING, error=error), [str(error)]) for error in ERRORS),
    ],
)
def test_error__says_what_happened_to_which_jobs_and_what_to_do(verdict: Verdict, words: list[str]) -> None:
    """The one error of an ending holds its message, the jobs concerned with their reasons, and advice."""
    text = report.error_text(verdict)
    assert text.startswith(report.message(verdict))
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(("count", "more"), [(5, ""), (6, "; and 1 more"), (10_000, "; and 9995 more")])
def test_error__names_a_few_jobs_and_counts_the_rest(count: int, more: str) -> None:
    """However many jobs failed, the error names five."""
    text = report.error_text(_verdict(*_many(FAILED, count)))
    assert text.count("(document doc-2) failed: no text") == 5
    assert f"job bad-4 (document doc-2) failed: no text{more}. Queue" in text


@pytest.mark.parametrize("kind", [FAILED, MISSING, UNREADABLE])
def test_error__with_endless_texts_still_says_what_to_do(kind: Job) -> None:
    """The longest IDs, documents and reasons leave the advice within what an annotation can show."""
    job = kind._replace(id="i" * 190, document_id="d" * 5000, reason="r" * 5000)
    text = report.error_text(_verdict(*_many(job, 9)))
    assert len(text) <= 4096
    assert text.endswith(report.advice(_verdict(job)))


@pytest.mark.parametrize("limit", [TIMEOUT, STALL])
def test_error__names_no_job_where_all_are_pending(limit: Limit) -> None:
    """The jobs of a timeout are in the log and the outputs; the error counts them."""
    assert "job slow" not in report.error_text(_verdict(PENDING, limit=limit))


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        (_verdict(COMPLETED), "All jobs completed"),
        (_verdict(FAILED), "Not all jobs completed"),
        (_verdict(PENDING), "Timed out"),
        (_verdict(UNREADABLE), "No verdict"),
        *(
            (_verdict(error=error), title)
            for error, title in zip(ERRORS, ["Wrong input", *["No verdict"] * 3, "Cancelled"], strict=True)
        ),
    ],
)
def test_title__tells_the_ending_in_a_few_words(verdict: Verdict, title: str) -> None:
    """Every ending has a title."""
    assert report.title(verdict) == title


def test_advice__is_silent_where_all_is_well() -> None:
    """A success needs no advice."""
    assert report.advice(_verdict(COMPLETED, NO_ARTICLE)) == ""


# --- The log


@pytest.mark.parametrize(
    ("jobs", "timeout", "line"),
    [
        ([PENDING], 90, "Waiting for 1 job (slow) at {url}, until 2026-06-11 12:00:00 UTC (1m30s) at most."),
        (
            _many(PENDING, 3),
            1800,
            "Waiting for 3 jobs (slow-0, slow-1, slow-2) at {url}, until 2026-06-11 12:00:00 UTC (30m) at most.",
        ),
        (_many(PENDING, 4), 0, "Waiting for 4 jobs (slow-0, slow-1, slow-2, …) at {url}, looking once."),
    ],
)
def test_opening_line__says_what_is_waited_for(
    make_inputs: Callable[..., Inputs], jobs: list[Job], timeout: float, line: str
) -> None:
    """The first line names the first jobs, the API, and the time."""
    inputs = make_inputs(timeout_seconds=timeout, api_url="http://localhost:1")
    until = datetime(2026, 6, 11, 12, tzinfo=UTC)
    assert report.opening_line(jobs, inputs, until=until) == line.format(url="http://localhost:1")


@pytest.mark.parametrize(
    ("verdict", "line"),
    [
        (_verdict(COMPLETED), "✅ success: 1 article"),
        (_verdict(FAILED, PENDING), "❌ failure: 0 of 2 jobs completed"),
        (_verdict(PENDING, limit=TIMEOUT), "⏰ timed_out: Not all jobs ended"),
        (_verdict(UNREADABLE), "⚠️ error: The API failed"),
        (_verdict(error=ERRORS[0]), "⚠️ error: Input timeout is 'soon'"),
        (_verdict(PENDING, error=ERRORS[-1]), "🚫 cancelled: Cancelled by SIGTERM"),
    ],
)
def test_closing_line__tells_how_it_ended(verdict: Verdict, line: str) -> None:
    """The very last line is the result and the message."""
    assert report.closing_line(verdict).startswith(line)
    assert report.closing_line(verdict).endswith(report.message(verdict))


def test_attention_lines__name_all_that_did_not_complete() -> None:
    """Every job but the completed ones, with its reason, the worst first."""
    assert report.attention_lines(_verdict(*reversed(ALL))) == [
        "job bad (document doc-2) failed: no text",
        "job gone is missing: the API does not know the ID (404)",
        "job dark is unreadable: HTTP 500",
        "job slow is pending: IN_PROGRESS",
    ]


def test_job_errors__are_nine_at_most() -> None:
    """Each of the first jobs that need attention has an error with a title; pending ones have none."""
    assert report.job_errors(_verdict(*ALL)) == [
        ("Job bad failed", "job bad (document doc-2) failed: no text"),
        ("Job gone is missing", "job gone is missing: the API does not know the ID (404)"),
        ("Job dark is unreadable", "job dark is unreadable: HTTP 500"),
    ]
    assert len(report.job_errors(_verdict(*_many(FAILED, 10)))) == 9


@pytest.mark.parametrize("error", ERRORS)
def test_job_errors__are_left_out_where_the_jobs_were_not_the_reason(error: GateError) -> None:
    """An ending by an error has that one error alone."""
    assert report.job_errors(_verdict(*ALL, error=error)) == []


def test_request_line__tells_size_answer_and_time() -> None:
    """A request is told in a line of the debug log."""
    assert report.request_line(2, "HTTP 200", 0.1234) == "asked for 2 jobs: HTTP 200, after 0.123 s"


def test_retry_line__says_when_it_is_tried_again() -> None:
    """A request that failed is told with its problem and the pause."""
    assert "no usable answer: HTTP 502; trying again in 2.5s" in report.retry_line("HTTP 502", 2.5)
    assert "HTTP 502; trying again at once" in report.retry_line("HTTP 502", 0)


def test_incomplete_line__says_what_was_wrong() -> None:
    """A look that was cut short is told with its problem."""
    assert "HTTP 502" in report.incomplete_line("HTTP 502")


def test_unknown_status_text__names_job_and_status() -> None:
    """The warning of a status never heard of names both, and says that the gate waits."""
    text = report.unknown_status_text(PENDING._replace(status="QUEUED"))
    assert all(word in text for word in ("slow", "QUEUED", "waits until"))


# --- The outputs


def test_outputs__are_those_of_the_contract() -> None:
    """Every output has its value, in the form that is promised."""
    jobs = (NO_ARTICLE, COMPLETED._replace(id="é"), FAILED, PENDING, MISSING, UNREADABLE, COMPLETED)
    values, dropped = report.outputs(_verdict(*jobs, seconds=65.26), results_file="out/results.json")
    assert dropped == []
    assert {
        name: json.loads(value) if name.endswith(("-ids", "-job", "-count")) else value
        for name, value in values.items()
    } == {
        "result": "failure",
        "message": report.message(_verdict(*jobs)),
        "article-ids": ["article-1"],
        "article-ids-lines": "article-1",
        "articles-by-job": {"nothing": None, "é": "article-1", "done": "article-1"},
        "completed-job-ids": ["nothing", "é", "done"],
        "failed-job-ids": ["bad"],
        "pending-job-ids": ["slow"],
        "missing-job-ids": ["gone"],
        "unreadable-job-ids": ["dark"],
        "job-count": 7,
        "completed-count": 3,
        "failed-count": 1,
        "pending-count": 1,
        "missing-count": 1,
        "unreadable-count": 1,
        "article-count": 1,
        "elapsed-seconds": "65.3",
        "results-file": "out/results.json",
    }


@pytest.mark.parametrize("error", [None, *ERRORS])
@pytest.mark.parametrize("jobs", [(), (COMPLETED,), ALL])
def test_outputs__are_all_there_at_every_ending(jobs: tuple[Job, ...], error: GateError | None) -> None:
    """Whatever the ending, every output has a value: lists are JSON, counts are numbers, the message is one line."""
    values = _outputs(*jobs, error=error)
    assert values.keys() == NAMES
    assert all(isinstance(json.loads(values[name]), list) for name in values if name.endswith("-ids"))
    assert all(values[name].isdecimal() for name in values if name.endswith("-count"))
    assert isinstance(json.loads(values["articles-by-job"]), dict)
    assert values["message"].isprintable()
    assert values["message"]


def test_outputs__without_articles_are_empty_lists() -> None:
    """No article is an empty array, and no line at all."""
    values = _outputs(NO_ARTICLE)
    assert (values["article-ids"], values["article-ids-lines"], values["article-count"]) == ("[]", "", "0")


def test_outputs__hold_one_article_a_line() -> None:
    """The article IDs as lines are as many lines as articles, in the order of the jobs."""
    jobs = [COMPLETED._replace(id=str(number), article_id=f"a{number % 3}") for number in range(5)]
    assert _outputs(*jobs)["article-ids-lines"] == "a0\na1\na2"


@pytest.mark.parametrize("job", [COMPLETED, FAILED, PENDING, MISSING, UNREADABLE])
def test_outputs__of_hostile_text_stay_whole(job: Job) -> None:
    """Text of others adds no line, and lists with it are still JSON that can be written as UTF-8."""
    job = job._replace(id=HOSTILE, article_id=HOSTILE, document_id=HOSTILE, status=HOSTILE, reason=HOSTILE)
    values = _outputs(job)
    assert "\n" not in "".join(values.values()).encode().decode()
    assert json.loads(values[f"{job.state}-job-ids"]) == [HOSTILE]


@given(st.lists(st.text("aAbB ,#é😀\"'[]{}", min_size=1, max_size=20).filter(str.strip), unique_by=str.lower))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_outputs__of_pending_jobs_are_the_next_gates_input(make_inputs: Callable[..., Inputs], ids: list[str]) -> None:
    """`pending-job-ids` gives the next gate the same jobs, in the same order."""
    values = _outputs(*(Job(id=job_id) for job_id in ids))
    assert list(read_job_ids(make_inputs(job_ids=values["pending-job-ids"]))) == ids


@given(
    groups=st.lists(
        st.tuples(
            st.sampled_from(JobState),
            st.integers(0, 150),
            st.sampled_from([1, 36, 100, 190]),
            st.sampled_from(["x", "é", "😀"]),
            st.sampled_from([0, 1, 36, 300]),
        ),
        max_size=6,
    ),
)
@settings(max_examples=50)
def test_outputs__stay_below_the_limit(groups: list[tuple[JobState, int, int, str, int]]) -> None:
    """Whatever the jobs, all outputs fit; lists are left empty whole, in order, and no more of them than needed."""
    jobs = [
        Job(
            id=f"{group}-{number}-{letter * length}",
            state=state,
            article_id=f"{number}{'a' * article}" if article else None,
        )
        for group, (state, count, length, letter, article) in enumerate(groups)
        for number in range(count)
    ]
    verdict = _verdict(*jobs)
    values, dropped = report.outputs(verdict, results_file="results.json")
    size = sum(map(_utf16_units, values.values()))
    lines = "\n".join(verdict.article_ids)
    full = {
        f"{state}-job-ids": json.dumps([job.id for job in jobs if job.state is state], separators=(",", ":"))
        for state in JobState
    }
    by_job = {job.id: job.article_id for job in jobs if job.state is JobState.COMPLETED}
    full |= {"articles-by-job": json.dumps(by_job, separators=(",", ":")), "article-ids-lines": lines}
    full |= {"article-ids": json.dumps(verdict.article_ids, separators=(",", ":"))}

    assert size < LIMIT
    order = [name for name in LEFT_EMPTY_IN_ORDER if full[name]]
    assert dropped == order[: len(dropped)]
    assert {name: values[name] for name in full} == {**full, **dict.fromkeys(dropped, "")}
    if dropped:
        assert size + _utf16_units(full[dropped[-1]]) >= LIMIT
    else:
        listed = [job_id for state in JobState for job_id in json.loads(values[f"{state}-job-ids"])]
        assert sorted(listed) == sorted(job.id for job in jobs)
    assert values["job-count"] == str(len(jobs))
    assert values["message"]


def test_outputs__that_do_not_fit_are_left_empty_in_order() -> None:
    """With far too much in every list all lists are left empty, in the contract's order; counts and message stay."""
    kinds = [Job(id=f"{state}-{'😀' * 180}", state=state) for state in JobState]
    jobs = [job._replace(article_id=f"{job.id}-article") for kind in kinds for job in _many(kind, 220)]
    values, dropped = report.outputs(_verdict(*jobs), results_file="")
    assert dropped == LEFT_EMPTY_IN_ORDER
    assert [name for name, value in values.items() if not value and name != "results-file"] == [
        *("article-ids", "article-ids-lines", "articles-by-job"),
        *(f"{state}-job-ids" for state in JobState),
    ]
    assert values["failed-count"] == "220"


@pytest.mark.parametrize("results_file", ["results.json", "😀😀.json"])
@pytest.mark.parametrize(("size", "expected"), [(LIMIT - 1, []), (LIMIT, ["completed-job-ids"])])
def test_outputs__are_measured_to_the_character(size: int, expected: list[str], results_file: str) -> None:
    """One character below the limit everything is there; at the limit the first list is left empty."""
    values, _ = report.outputs(_verdict(Job(id="")), results_file=results_file)
    missing = size - sum(map(_utf16_units, values.values()))
    _, dropped = report.outputs(_verdict(Job(id="x" * missing)), results_file=results_file)
    assert dropped == expected


def test_outputs__that_are_empty_anyway_are_not_named_as_left_empty() -> None:
    """Without an article there are no lines of articles that could be missed."""
    jobs = _many(FAILED._replace(id="😀" * 190), 220)
    _, dropped = report.outputs(_verdict(*jobs), results_file="")
    assert dropped == [name for name in LEFT_EMPTY_IN_ORDER[:-1] if name != "article-ids-lines"]


def test_left_empty_text__names_outputs_and_results_file() -> None:
    """The warning names what is left empty, and the file that has it or the input that would."""
    text = report.dropped_outputs_warning(["completed-job-ids", "articles-by-job"], "out/results.json")
    assert all(name in text for name in ("completed-job-ids, articles-by-job", "out/results.json"))
    assert "give results-file" in report.dropped_outputs_warning(["completed-job-ids"], "")


# --- The results file


def test_results_document__holds_all_that_is_known() -> None:
    """Every job is there with every field, null where it is not known."""
    ended = [job._replace(created_at="c", started_at="s", completed_at="e") for job in (COMPLETED, FAILED)]
    verdict = _verdict(*ended, Job(id="new"), seconds=1.26)
    nothing = dict.fromkeys(
        [
            *("jobStatus", "articleId", "articleTitle", "documentId"),
            *("createdAt", "startedAt", "completedAt", "reason"),
        ]
    )
    known = {"createdAt": "c", "startedAt": "s", "completedAt": "e"}
    assert report.results_document(verdict) == {
        "version": 1,
        "result": "failure",
        "message": report.message(verdict),
        "elapsedSeconds": 1.3,
        "jobs": [
            nothing
            | known
            | {
                "id": "done",
                "state": "completed",
                "jobStatus": "COMPLETED",
                "articleId": "article-1",
                "documentId": "doc-1",
            },
            nothing
            | known
            | {"id": "bad", "state": "failed", "jobStatus": "FAILED", "documentId": "doc-2", "reason": "no text"},
            nothing | {"id": "new", "state": "pending"},
        ],
    }


@pytest.mark.parametrize("error", [None, *ERRORS])
@pytest.mark.parametrize("jobs", [(), ALL])
def test_results_document__is_json_at_every_ending(jobs: tuple[Job, ...], error: GateError | None) -> None:
    """Whatever the ending, the document is plain JSON that says the same as the outputs."""
    verdict = _verdict(*jobs, error=error)
    document = report.results_document(verdict)
    assert json.loads(json.dumps(document)) == document
    values = _outputs(*jobs, error=error)
    assert (document["result"], document["message"]) == (values["result"], values["message"])


@given(st.text(), st.text())
def test_texts__of_any_words_are_one_line(words: str, reason: str) -> None:
    """Whatever an error or a job's reason says, the message is one printable line."""
    for error in (UsageError(words), OutageError(words)):
        verdict = _verdict(FAILED._replace(reason=reason), error=error)
        assert report.message(verdict).isprintable()
        assert report.closing_line(verdict).count("\n") == 0
