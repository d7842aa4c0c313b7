"""The composition root: build the parts, wire them, and turn errors into a result and an exit code."""

import random
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from fini_gate import __version__
from fini_gate.certificates import read_ca_bundle
from fini_gate.client import FiniClient, Transport
from fini_gate.deadlines import Deadlines
from fini_gate.details import look_up_details
from fini_gate.errors import CancelledError, GateError, InternalError, UsageError
from fini_gate.executor import InterruptibleExecutor
from fini_gate.inputs import IfNoJobs, Inputs, api_key
from fini_gate.job_ids import read_job_ids
from fini_gate.models import Job
from fini_gate.output import messages
from fini_gate.output.log import ProblemLog, ProgressLog, look_up_line, opening_line, request_line, retry_line
from fini_gate.output.outputs import step_outputs
from fini_gate.output.results import check_results_file, write_results_file
from fini_gate.output.summary import render_summary
from fini_gate.platforms.github import Runner
from fini_gate.platforms.terminal import live_line, prepare_stdout
from fini_gate.poller import Timing, wait_for_jobs
from fini_gate.publication import require_published
from fini_gate.verdict import Limit, Result, Verdict, decide

# The outputs cannot hold the IDs of more jobs, and the workflow would find out only at the end.
MAX_JOBS_WITHOUT_RESULTS_FILE: Final = 10_000


def main(environ: Mapping[str, str], executor: InterruptibleExecutor) -> int:
    """Run the gate and return its exit code."""
    prepare_stdout()
    return GateRun(environ, executor).run().exit_code


class GateRun:
    """One run of the gate, from its environment to everything that it reports.

    Args:
        environ: the process's environment.
        executor: runs requests and waits; a signal ends each wait.
        clock: seconds, monotonic.
        make_transport: builds what sends the requests.
        wait: polls the jobs until they are finished or a limit is reached.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        executor: InterruptibleExecutor,
        *,
        clock: Callable[[], float] = time.monotonic,
        make_transport: Callable[..., Transport] = Transport,
        wait: Callable[..., Verdict] = wait_for_jobs,
    ) -> None:
        self._environ = environ
        self._executor = executor
        self._clock = clock
        self._make_transport = make_transport
        self._wait = wait
        self._started_at = clock()
        self._runner = Runner(environ, secret=api_key(environ))
        self._problem_log = ProblemLog(self._runner)
        self._log_retry = self._runner.info

    def run(self) -> Verdict:
        """Wait for the jobs, report the verdict, and return it."""
        inputs: Inputs | None = None
        jobs: tuple[Job, ...] = ()
        self._runner.info(f"fini-gate {__version__}")
        try:
            inputs = Inputs.from_environ(self._environ)
            ca_certificates = read_ca_bundle(inputs)
            jobs = _read_jobs(inputs)
            verdict = self._wait_for(jobs, inputs, ca_certificates) if jobs else self._without_jobs(inputs)
        except UsageError as error:
            verdict = self._decide((), error)
        except GateError as error:
            verdict = self._decide(jobs, error)
        except Exception as error:  # noqa: BLE001 - even a bug must leave all outputs behind
            verdict = self._decide(jobs, _internal_error(error))
        return self._report(verdict, inputs)

    def _wait_for(self, jobs: tuple[Job, ...], inputs: Inputs, ca_certificates: str) -> Verdict:
        until = datetime.now(UTC) + timedelta(seconds=inputs.timeout_seconds)
        self._runner.info(opening_line(jobs, inputs, until=until))
        client = self._client(inputs, ca_certificates)
        timing = Timing(
            started_at=self._started_at,
            deadlines=Deadlines(inputs, started_at=self._started_at, job_count=len(jobs)),
            clock=self._clock,
            sleep=self._sleep,
            random=random.random,
        )
        with live_line() as show_line:
            progress_log = ProgressLog(
                self._runner, self._problem_log, awaits_reasons=inputs.article_details, show_line=show_line
            )
            verdict = self._wait(jobs, client, inputs, timing=timing, on_poll=progress_log.report)
        if inputs.require_published:
            verdict = require_published(
                verdict, client, timing, on_look_up=lambda count: self._runner.info(look_up_line(count))
            )
        return self._with_details(verdict, client, timing.deadlines) if inputs.article_details else verdict

    def _client(self, inputs: Inputs, ca_certificates: str) -> FiniClient:
        return FiniClient(
            transport=self._make_transport(
                api_url=inputs.api_url,
                api_key=inputs.api_key,
                executor=self._executor,
                clock=self._clock,
                ca_certificates=ca_certificates,
            ),
            api_key=inputs.api_key,
            batch_size=inputs.batch_size,
            max_parallel=inputs.max_parallel,
            request_timeout_seconds=inputs.request_timeout_seconds,
            clock=self._clock,
            on_request=lambda *request: self._runner.debug(request_line(*request)),
            on_retry=lambda problem, wait_seconds: self._log_retry(retry_line(problem, wait_seconds)),
        )

    def _sleep(self, seconds: float) -> None:
        self._runner.debug(f"next request in {seconds:.1f}s")
        self._executor.sleep(seconds)

    def _with_details(self, verdict: Verdict, client: FiniClient, deadlines: Deadlines) -> Verdict:
        """Add titles, draft states and reasons, if they arrive in time."""
        if verdict.error is not None:
            return verdict
        self._log_retry = self._runner.debug  # one line says in the end what is missing
        try:
            jobs, missing = look_up_details(verdict, client, deadlines, self._clock)
        except CancelledError as error:
            return self._decide(verdict.jobs, error, limit=verdict.limit)
        except Exception as error:  # noqa: BLE001 - not even a bug may cost the verdict
            jobs, missing = verdict.jobs, [f"titles and reasons ({_internal_error(error)})"]
        if missing:
            self._runner.info(messages.missing_details_line(missing))
        return replace(verdict, jobs=jobs, elapsed_seconds=self._clock() - self._started_at)

    def _without_jobs(self, inputs: Inputs) -> Verdict:
        if inputs.if_no_jobs is IfNoJobs.ERROR:
            raise UsageError(
                "There are no job IDs: the inputs job-ids and job-ids-file contain none. Check the step that queues the"
                " jobs, or set if-no-jobs to warn or ignore."
            )
        return self._decide(())

    def _decide(self, jobs: tuple[Job, ...], error: GateError | None = None, limit: Limit | None = None) -> Verdict:
        return decide(jobs, elapsed_seconds=self._clock() - self._started_at, error=error, limit=limit)

    def _report(self, verdict: Verdict, inputs: Inputs | None) -> Verdict:
        """Write everything that later steps and people read, and return the verdict that it reports."""
        results_file = self._write_outputs(verdict, inputs)
        if self._executor.signal_number is not None and verdict.result is not Result.CANCELLED:
            # The signal came after the last wait. The runner takes the later value of an output.
            error = CancelledError(self._executor.signal_number)
            verdict = self._decide(verdict.jobs, error, limit=verdict.limit)
            results_file = self._write_outputs(verdict, inputs)
        if inputs is None or inputs.job_summary:
            self._runner.append_summary(render_summary(verdict, results_file=results_file))
        self._problem_log.log_rest(verdict)
        for title, text in messages.errors(verdict):
            self._runner.error(title, text)
        if verdict.result is Result.SUCCESS:
            if inputs is not None and not verdict.jobs and inputs.if_no_jobs is IfNoJobs.WARN:
                self._runner.warning(messages.message(verdict))
            else:
                self._runner.info(messages.closing_line(verdict))
        return verdict

    def _write_outputs(self, verdict: Verdict, inputs: Inputs | None) -> str:
        """Write the results file and the outputs, and return the path of the results file if it was written."""
        results_file = self._write_results_file(verdict, inputs)
        values, dropped = step_outputs(verdict, results_file=results_file)
        self._runner.set_outputs(values)
        if dropped:
            self._runner.warning(messages.dropped_outputs_warning(dropped, results_file))
        return results_file

    def _write_results_file(self, verdict: Verdict, inputs: Inputs | None) -> str:
        if inputs is None or not inputs.results_file or isinstance(verdict.error, UsageError):
            return ""
        try:
            write_results_file(inputs.workspace, inputs.results_file, verdict)
        except (OSError, ValueError) as error:
            self._runner.warning(messages.results_file_warning(inputs.results_file, error))
            return ""
        return inputs.results_file


def _read_jobs(inputs: Inputs) -> tuple[Job, ...]:
    if inputs.results_file:
        check_results_file(inputs.workspace, inputs.results_file)
    jobs = tuple(Job(id=job_id, document_id=document_id) for job_id, document_id in read_job_ids(inputs).items())
    if len(jobs) > MAX_JOBS_WITHOUT_RESULTS_FILE and not inputs.results_file:
        raise UsageError(
            f"There are {len(jobs)} job IDs, but the outputs hold at most {MAX_JOBS_WITHOUT_RESULTS_FILE}: set"
            " results-file to the path of a file for all results."
        )
    return jobs


def _internal_error(error: Exception) -> InternalError:
    """Name the kind and the place of a bug. The exception's own text may hold anything, the API key included."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    return InternalError(f"fini-gate itself failed: {type(error).__name__} in {where}. Please report it.")
