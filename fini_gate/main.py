"""The composition root: builds the real parts, wires them, and turns whatever happens into an ending."""

import io
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fini_gate.certificates import read_ca_bundle
from fini_gate.client import Article, FiniClient, Transport, look_up_articles
from fini_gate.errors import CancelledError, GateError, InternalError, UsageError
from fini_gate.executor import InterruptibleExecutor
from fini_gate.inputs import IfNoJobs, Inputs, api_key
from fini_gate.job_ids import read_job_ids
from fini_gate.models import Job
from fini_gate.output import report
from fini_gate.output.log import ProgressLog
from fini_gate.output.results import check_results_file, write_results_file
from fini_gate.output.summary import summary
from fini_gate.platforms.github import Runner
from fini_gate.platforms.terminal import live_line
from fini_gate.poller import FINAL_POLL_GRACE_SECONDS, Progress, wait_for_jobs
from fini_gate.verdict import Result, Verdict, decide

# With more, the outputs could not hold them all, and the workflow would learn of it only at the end.
MAX_JOBS_WITHOUT_RESULTS_FILE: Final = 10_000
# Of the statuses never heard of so many are warned of.
MAX_STATUS_WARNINGS: Final = 5
# What looking up titles may add to the run, which has its verdict.
MAX_DETAILS_SECONDS: Final = 10.0


def main(environ: Mapping[str, str], executor: InterruptibleExecutor) -> int:
    """Run the gate, and return the exit code."""
    _prepare_stdout()
    gate_run = GateRun(environ, executor)
    verdict = gate_run.decide()
    return gate_run.publish(verdict).exit_code


class GateRun:
    """One run of the gate, from the environment to the runner's files."""

    def __init__(self, environ: Mapping[str, str], executor: InterruptibleExecutor) -> None:
        self._started_at = time.monotonic()
        self._environ = environ
        self.executor = executor
        self._runner = Runner(environ, secret=api_key(environ))
        self._inputs: Inputs | None = None
        self._jobs: tuple[Job, ...] = ()
        self._progress_log = ProgressLog()
        self._show_line: Callable[[str], None] | None = None
        self._warned_statuses: set[str | None] = set()

    def decide(self) -> Verdict:
        """Wait for the jobs, and judge. Whatever goes wrong is a verdict too."""
        try:
            self._inputs = inputs = Inputs.from_environ(self._environ)
            ca_certificates = read_ca_bundle(inputs)
            self._jobs = self._read_jobs(inputs)
            if not self._jobs:
                return self._judge_no_jobs(inputs)
            until = datetime.now(UTC) + timedelta(seconds=inputs.timeout_seconds)
            self._runner.info(report.opening_line(self._jobs, inputs, until=until))
            transport = Transport(
                api_url=inputs.api_url,
                api_key=inputs.api_key,
                calls=self.executor,
                ca_certificates=ca_certificates,
            )
            with live_line() as self._show_line:
                verdict = wait_for_jobs(
                    self._jobs,
                    self._client(inputs, transport),
                    inputs,
                    started_at=self._started_at,
                    clock=time.monotonic,
                    sleep=self._pause,
                    random=random.random,
                    on_poll=self._on_poll,
                )
            return self._with_titles(verdict, inputs, transport)
        except GateError as error:
            return self._judge_error(error)
        except Exception as error:  # noqa: BLE001 - the outputs are to be written then, too
            return self._judge_error(_internal_error(error))

    def publish(self, verdict: Verdict) -> Verdict:
        """Write all that the runner and people read, and return what was published."""
        results_file = self._write_outputs(verdict)
        if self.executor.signal_number is not None and verdict.result is not Result.CANCELLED:
            # Of an output written twice the later one counts.
            error = CancelledError(self.executor.signal_number)
            verdict = decide(verdict.jobs, elapsed_seconds=self._elapsed_seconds, error=error)
            results_file = self._write_outputs(verdict)
        if self._inputs is None or self._inputs.job_summary:
            self._runner.append_summary(summary(verdict, results_file=results_file))
        if verdict.result is not Result.SUCCESS:
            self._runner.error(f"Fini gate: {report.title(verdict)}", report.error_text(verdict))
            for title, text in report.job_errors(verdict):
                self._runner.error(title, text)
        elif verdict.jobs:
            self._runner.notice(f"Fini gate: {report.title(verdict)}", report.message(verdict))
        self._runner.listing("Jobs that did not complete", report.attention_lines(verdict))
        self._runner.info(report.closing_line(verdict))
        return verdict

    @property
    def _elapsed_seconds(self) -> float:
        return time.monotonic() - self._started_at

    @staticmethod
    def _read_jobs(inputs: Inputs) -> tuple[Job, ...]:
        if inputs.results_file:
            check_results_file(inputs.workspace, inputs.results_file)
        jobs = tuple(Job(id=job_id, document_id=document_id) for job_id, document_id in read_job_ids(inputs).items())
        if len(jobs) > MAX_JOBS_WITHOUT_RESULTS_FILE and not inputs.results_file:
            raise UsageError(
                f"There are {len(jobs)} job IDs, and the outputs hold those of {MAX_JOBS_WITHOUT_RESULTS_FILE} at most:"
                " give results-file, a path to write all results to."
            )
        return jobs

    def _judge_no_jobs(self, inputs: Inputs) -> Verdict:
        if inputs.if_no_jobs is IfNoJobs.ERROR:
            raise UsageError(
                "There are no job IDs: inputs job-ids and job-ids-file are empty, or what they name is. Check the step"
                " that queues the jobs, or set if-no-jobs to warn or ignore."
            )
        verdict = decide((), elapsed_seconds=self._elapsed_seconds)
        if inputs.if_no_jobs is IfNoJobs.WARN:
            self._runner.warning(report.message(verdict))
        return verdict

    def _judge_error(self, error: GateError) -> Verdict:
        jobs = () if isinstance(error, UsageError) else self._jobs
        return decide(jobs, elapsed_seconds=self._elapsed_seconds, error=error)

    def _with_titles(self, verdict: Verdict, inputs: Inputs, transport: Transport) -> Verdict:
        """The same verdict, with the titles of its articles where they are wanted and can be had."""
        if not inputs.article_details or not verdict.article_ids or verdict.result is Result.CANCELLED:
            return verdict
        try:
            found, problem = look_up_articles(
                verdict.article_ids,
                transport,
                api_key=inputs.api_key,
                batch_size=inputs.batch_size,
                request_timeout_seconds=inputs.request_timeout_seconds,
                ends_at=min(
                    time.monotonic() + MAX_DETAILS_SECONDS,
                    self._started_at + inputs.timeout_seconds + FINAL_POLL_GRACE_SECONDS,
                ),
                clock=time.monotonic,
            )
        except CancelledError:  # the verdict is not lost: that it was cancelled is found when it is published
            return verdict
        if problem is not None:
            self._runner.warning(report.no_titles_text(problem))
        return replace(verdict, jobs=tuple(_titled(job, found) for job in verdict.jobs))

    def _client(self, inputs: Inputs, transport: Transport) -> FiniClient:
        return FiniClient(
            transport=transport,
            api_key=inputs.api_key,
            batch_size=inputs.batch_size,
            max_parallel=inputs.max_parallel,
            request_timeout_seconds=inputs.request_timeout_seconds,
            clock=time.monotonic,
            sleep=self.executor.sleep,
            on_request=lambda *request: self._runner.debug(report.request_line(*request)),
            on_retry=lambda problem, wait_seconds: self._runner.info(report.retry_line(problem, wait_seconds)),
        )

    def _pause(self, seconds: float) -> None:
        self._runner.debug(f"looking again in {seconds:.1f} s")
        self.executor.sleep(seconds)

    def _on_poll(self, progress: Progress) -> None:
        lines = self._progress_log.lines(progress)
        if self._show_line is not None:
            self._show_line(self._progress_log.line(progress))
            lines = lines[1:]
        for line in lines:
            self._runner.info(line)
        if progress.incomplete_reason is not None:
            self._runner.info(report.incomplete_line(progress.incomplete_reason))
        for job in progress.changed:
            if len(self._warned_statuses) == MAX_STATUS_WARNINGS:
                break
            if job.has_unknown_status and job.status not in self._warned_statuses:
                self._warned_statuses.add(job.status)
                self._runner.warning(report.unknown_status_text(job))

    def _write_outputs(self, verdict: Verdict) -> str:
        """Write the outputs and the results file, and return the path of the latter as given, where it was written."""
        written = self._write_results_file(verdict)
        outputs, dropped = report.outputs(verdict, results_file=written)
        self._runner.set_outputs(outputs)
        if dropped:
            self._runner.warning(report.dropped_outputs_warning(dropped, written))
        return written

    def _write_results_file(self, verdict: Verdict) -> str:
        """Write the results file, where one is asked for, and return the path as given, or else the empty text."""
        if self._inputs is None or not self._inputs.results_file or isinstance(verdict.error, UsageError):
            return ""
        given = self._inputs.results_file
        try:
            write_results_file(self._inputs.workspace, given, report.results_document(verdict))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._runner.warning(
                f"The results file {given} could not be written ({reason}); the outputs hold the results."
            )
            return ""
        return given


def _titled(job: Job, articles: Mapping[str, Article]) -> Job:
    article = articles.get(job.article_id or "")
    return job if article is None else job._replace(article_title=article.title, article_is_draft=article.is_draft)


def _internal_error(error: Exception) -> InternalError:
    # Not the error's own text, which may hold anything.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return InternalError(f"fini-gate itself failed: {type(error).__name__} in {where}. Please report it.")


def _prepare_stdout() -> None:
    """Make printing safe whatever the locale, and where there is nothing to print to."""
    stdout = sys.stdout
    if not isinstance(stdout, io.TextIOWrapper):  # it is None where the process was started without one
        stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - for the rest of the process
        sys.stdout = stdout
    stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
