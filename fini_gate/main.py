"""The composition root: build the parts, wire them, and turn errors into a result and an exit code."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fini_gate import __version__
from fini_gate.api_key import read_api_key
from fini_gate.certificates import read_ca_bundle
from fini_gate.client import FiniClient, Transport
from fini_gate.deadlines import Deadlines
from fini_gate.details import look_up_details
from fini_gate.errors import CancelledError, GateError, UsageError, internal_error
from fini_gate.escaping import redact
from fini_gate.executor import InterruptibleExecutor
from fini_gate.inputs import IfNoJobs, Inputs
from fini_gate.job_ids import read_job_ids
from fini_gate.models import Job
from fini_gate.output import messages
from fini_gate.output.files import OutputFiles, check_paths, usable_paths
from fini_gate.output.log import ProblemLog, ProgressLog, look_up_line, opening_line, request_line, retry_line
from fini_gate.output.report import Report, json_document
from fini_gate.platforms import choose_platform, prepare_streams, read_stdin, write
from fini_gate.poller import Timing, wait_for_jobs
from fini_gate.publication import require_published
from fini_gate.settings import CommandLine, Settings
from fini_gate.verdict import Limit, Result, Verdict, decide

# The outputs cannot hold the IDs of more jobs, and the workflow would find out only at the end.
MAX_JOBS_WITHOUT_RESULTS_FILE: Final = 10_000


def main(environ: Mapping[str, str], executor: InterruptibleExecutor, arguments: Sequence[str] = ()) -> int:
    """Run the gate and return its exit code. The action passes no arguments; the command `fini-gate` may."""
    command_line = CommandLine()
    if arguments:
        from fini_gate.cli import parse_arguments  # noqa: PLC0415 - the action does not need it

        command_line = parse_arguments(arguments)
    settings = Settings(environ=environ, command_line=command_line)
    standard_output = prepare_streams(is_json=settings.is_json)
    if command_line.help_text:
        write([command_line.help_text, "\n"], standard_output)
        return 0
    verdict = GateRun(settings, executor).run()
    if settings.is_json:
        write(json_document(verdict), standard_output)
    return verdict.exit_code


class GateRun:
    """One run of the gate, from its settings to everything that it reports.

    Args:
        settings: what the gate was started with.
        executor: runs requests and waits; a signal ends each wait.
        clock: seconds, monotonic.
        make_transport: builds what sends the requests.
        wait: polls the jobs until they are finished or a limit is reached.
    """

    def __init__(
        self,
        settings: Settings,
        executor: InterruptibleExecutor,
        *,
        clock: Callable[[], float] = time.monotonic,
        make_transport: Callable[..., Transport] = Transport,
        wait: Callable[..., Verdict] = wait_for_jobs,
    ) -> None:
        self._settings = settings
        self._executor = executor
        self._clock = clock
        self._make_transport = make_transport
        self._wait = wait
        self._started_at = clock()
        self._start_time = datetime.now(UTC)
        self._api_key = settings.text("api-key")
        self._platform = choose_platform(settings)
        self._platform.hide(self._api_key)
        self._problem_log = ProblemLog(self._platform)
        self._log_retry = self._platform.info

    def run(self) -> Verdict:
        """Wait for the jobs, report the verdict, and return it."""
        inputs: Inputs | None = None
        jobs: tuple[Job, ...] = ()
        self._platform.info(f"fini-gate {__version__}")
        try:
            inputs = self._read_inputs()
            ca_certificates = read_ca_bundle(inputs)
            jobs = self._read_jobs(inputs)
            verdict = self._wait_for(jobs, inputs, ca_certificates) if jobs else self._without_jobs(inputs)
        except UsageError as error:
            # An error may quote text that contains the key.
            verdict = self._decide((), UsageError(redact(error.template, self._api_key)))
        except GateError as error:
            verdict = self._decide(jobs, error)
        except Exception as error:  # noqa: BLE001 - even a bug must write all outputs
            verdict = self._decide(jobs, internal_error(error))
        return self._report(replace(verdict, names=self._settings.names), inputs)

    def _read_inputs(self) -> Inputs:
        if self._settings.command_line.problem is not None:
            raise self._settings.command_line.problem
        self._api_key = read_api_key(self._settings, self._executor.call)
        self._platform.hide(self._api_key)
        inputs = Inputs.parse(self._settings, self._api_key)
        check_paths(self._settings)
        return inputs

    def _read_jobs(self, inputs: Inputs) -> tuple[Job, ...]:
        job_ids = read_job_ids(inputs, lambda max_bytes: self._executor.call(lambda: read_stdin(max_bytes)))
        jobs = tuple(Job(id=job_id, document_id=document_id) for job_id, document_id in job_ids.items())
        if len(jobs) > MAX_JOBS_WITHOUT_RESULTS_FILE and not inputs.results_file:
            raise UsageError(
                f"There are {len(jobs)} job IDs, but the outputs hold at most {MAX_JOBS_WITHOUT_RESULTS_FILE}: set"
                " «results-file» to the path of a file for all results."
            )
        return jobs

    def _wait_for(self, jobs: tuple[Job, ...], inputs: Inputs, ca_certificates: str) -> Verdict:
        until = datetime.now(UTC) + timedelta(seconds=inputs.timeout_seconds)
        self._platform.info(opening_line(jobs, inputs, until=until))
        client = self._client(inputs, ca_certificates)
        timing = Timing(
            started_at=self._started_at,
            deadlines=Deadlines(inputs, started_at=self._started_at, job_count=len(jobs)),
            clock=self._clock,
            sleep=self._sleep,
            random=random.random,
        )
        progress_log = ProgressLog(
            self._platform,
            self._problem_log,
            awaits_reasons=inputs.article_details,
            show_line=self._platform.draw if self._platform.can_redraw else None,
        )
        verdict = self._wait(jobs, client, inputs, timing=timing, on_poll=progress_log.report)
        if inputs.require_published:
            verdict = require_published(
                verdict, client, timing, on_look_up=lambda count: self._platform.info(look_up_line(count))
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
            on_request=lambda *request: self._platform.debug(request_line(*request)),
            on_retry=lambda problem, wait_seconds: self._log_retry(retry_line(problem, wait_seconds)),
        )

    def _sleep(self, seconds: float) -> None:
        self._platform.debug(f"next request in {seconds:.1f}s")
        self._executor.sleep(seconds)

    def _with_details(self, verdict: Verdict, client: FiniClient, deadlines: Deadlines) -> Verdict:
        """Add titles, draft states and reasons, if they arrive in time."""
        if verdict.error is not None:
            return verdict
        self._log_retry = self._platform.debug  # one line says in the end what is missing
        try:
            jobs, missing = look_up_details(verdict, client, deadlines, self._clock)
        except CancelledError as error:
            return self._decide(verdict.jobs, error, limit=verdict.limit)
        except Exception as error:  # noqa: BLE001 - even a bug must not lose the verdict
            jobs, missing = verdict.jobs, [f"titles and reasons ({internal_error(error)})"]
        if missing:
            self._platform.info(messages.missing_details_line(missing))
        return replace(verdict, jobs=jobs, elapsed_seconds=self._clock() - self._started_at)

    def _without_jobs(self, inputs: Inputs) -> Verdict:
        if inputs.if_no_jobs is IfNoJobs.ERROR:
            places = "the arguments, «job-ids»" if self._settings.names.has_options else "«job-ids»"
            raise UsageError(
                f"There are no job IDs in {places} and «job-ids-file»: check the step that queues the jobs, or set"
                " «if-no-jobs» to warn or ignore."
            )
        return self._decide(())

    def _decide(self, jobs: tuple[Job, ...], error: GateError | None = None, limit: Limit | None = None) -> Verdict:
        return decide(jobs, elapsed_seconds=self._clock() - self._started_at, error=error, limit=limit)

    def _report(self, verdict: Verdict, inputs: Inputs | None) -> Verdict:
        """Report the verdict, or `cancelled` if a signal has arrived since, and return what was reported."""
        files = OutputFiles(
            self._settings.workspace,
            usable_paths(self._settings, self._api_key),
            self._start_time,
            lambda path, error: self._platform.warning(messages.file_warning(path, error)),
        )
        report = Report(self._platform, files)
        report.write(verdict)
        if self._executor.signal_number is not None and verdict.result is not Result.CANCELLED:
            # The signal came after the last wait. The runner takes the later value of an output.
            error = CancelledError(self._executor.signal_number)
            verdict = replace(self._decide(verdict.jobs, error, limit=verdict.limit), names=verdict.names)
            report.write(verdict)
        report.finish(
            verdict,
            self._problem_log,
            has_summary=inputs is None or inputs.job_summary,
            warn_on_success=inputs is not None and not verdict.jobs and inputs.if_no_jobs is IfNoJobs.WARN,
        )
        return verdict
