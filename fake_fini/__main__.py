"""The stand-in on the command line: `python -m fake_fini --help`."""

import argparse
import logging
import os
import signal
import ssl
import sys
import textwrap
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from fake_fini.faults import KINDS
from fake_fini.reading import ScenarioError
from fake_fini.scenario import Scenario
from fake_fini.server import FakeFini, is_loopback

EXIT_UNUSABLE: Final = 2

_WIDTH: Final = 110
_MARGIN: Final = 38

_PURPOSE: Final = """\
A local stand-in for Fini's API: it answers as Fini's API reference says, over real HTTP on a loopback address (with TLS
on any), with jobs and faults of your own. No key and no account are needed, it calls nobody, nothing is stored.

It knows four routes, each with a key of the right scope (fini_demo_key, unless the scenario says otherwise):
  POST /v2/knowledge/public/jobs/status    how jobs stand          {"jobIds": ["…"]}          scope read
  POST /v2/hc-articles/ids/public          articles by their IDs   {"articleIds": ["…"]}      scope read
  POST /v2/knowledge/public                queue one job           any JSON object            scope write
  POST /v2/knowledge/public/bulk           queue a job a source    {"documentIds": ["…"]}     scope write
"""

_SCENARIO: Final = """\
THE SCENARIO is a YAML file. Every key may be left out; a key that is not listed here is an error.
A duration is 500ms, 1.5s, 2m or 1m30s; a bare number is seconds. A text that looks like a number needs quotes.

  api-keys: {KEY: [read, write], …}   the keys that are let in, and their scopes. Keys start with fini_.
                                      ({fini_demo_key: [read, write]})
  latency: DURATION                   pause before each answer (0)
  clock-starts: at-first-request      when the jobs' time begins: with the first status request whose key is let in,
                                      or when the stand-in starts (at-start)
  jobs: [JOB, …]                      see below
  generate: {count: N, …}             so many more jobs, the same in every run. With it: prefix (their IDs are then
                                      prefix1, prefix2, …, else UUIDs), queued-for and runs-for (a duration or
                                      [shortest, longest]), failing and without-article (how many), seed. Their
                                      sources are source-1, source-2, …
  queued: {…}                         how a job goes that is queued over the API: the keys of a job but id,
                                      document-id and malformed; here, queued-for is 1s and runs-for 2s unless given
  faults: [FAULT, …]                  see below

A JOB. Its times count from the scenario's time zero, or from its queueing.
  id: TEXT                            the only key that is needed. IDs are matched exactly.
  document-id: TEXT                   the source; queueing a job for this source gives this job
  appears-after: DURATION             until then the ID is not known (0)
  queued-for: DURATION | never        how long it is pending (0)
  runs-for: DURATION | never          how long it runs (0)
  statuses: {pending: …, running: …}  what jobStatus says meanwhile (PENDING, IN_PROGRESS)
  ends-as: TEXT                       what jobStatus says in the end: any text (COMPLETED)
  article-id: TEXT | null             its article in the end, null for none (a UUID that is the same in every run;
                                      none for FAILED)
  title: TEXT                         that article's title (made from the source or the ID)
  error: ANY                          the row's error in the end: a text, a mapping, …
  row: {FIELD: ANY, …}                fields that the row has besides, or in place of, its own, at all times
  omitted: true                       its row is left out of every answer
  malformed: true                     any request that names it gets 400
  broken: true | STATUS               any request that names it gets 500, or this 5xx …
  broken-until: DURATION | never      … until then (never)

A FAULT: what goes wrong, and when. All conditions must hold; of several faults that apply, the first one does.
  do: …                               what goes wrong, see below
  route: status                       to which route: status, articles, generate or bulk (status)
  requests: …                         which requests to that route, counted from 1: 2, [2, 5], "5-9", "5-", "every 3",
                                      all (all)
  between: [DURATION, DURATION]       between these times
  more-ids-than: N                    where the request names more IDs
  at-most: N                          no more than so many times

What can go wrong:
"""

_EXAMPLE: Final = """\
AN EXAMPLE: twenty-two jobs, one fails, one makes no article; the second request meets a rate limit, and between
three and five seconds a proxy is down.

  jobs:
    - {id: refunds, document-id: doc-1, queued-for: 500ms, runs-for: 3s, title: How refunds work}
    - {id: shipping, document-id: doc-2, runs-for: 6s, ends-as: FAILED, error: The source could not be read.}
  generate: {count: 20, runs-for: [2s, 10s], without-article: 1}
  faults:
    - {requests: 2, do: {status: 429, headers: {Retry-After: "2"}}}
    - {between: [3s, 5s], do: {status: 503, body: no healthy upstream, content-type: text/plain}}
"""

_WORKFLOW: Final = """\
TO TRY A WORKFLOW WITHOUT A KEY: start the stand-in in a step of its own, queue jobs as the workflow would with
Fini, and hand the answer to the gate, with the stand-in as its api-url. Without a scenario, every queued job
completes after three seconds; document-id says which source is to fail.

  python -m fake_fini --url-file fini-url --scenario scenario.yaml &
  until [ -s fini-url ]; do sleep 0.1; done
  curl --fail --silent --output jobs.json "$(cat fini-url)/v2/knowledge/public/bulk" \\
    --header "Authorization: Bearer fini_demo_key" --header "Content-Type: application/json" \\
    --data '{"documentIds": ["doc-1", "doc-2"]}'

Then the gate, under act with `--network host`, where an action in a container shares the machine's loopback:

  - uses: ./
    with:
      api-url: ${{ steps.stand-in.outputs.url }}   # what fini-url holds
      api-key: fini_demo_key
      job-ids-file: jobs.json

or as a program, anywhere:

  env "INPUT_API-URL=$(cat fini-url)" INPUT_API-KEY=fini_demo_key INPUT_JOB-IDS-FILE=jobs.json python entrypoint.py

On GitHub's own runners a container has a loopback of its own. There the action in its container reaches the stand-in on
Docker's bridge, with TLS and a certificate that the gate is told to trust, as .github/workflows/ci.yml does:

  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 1 -subj /CN=stand-in \\
    -addext subjectAltName=IP:172.17.0.1 -addext keyUsage=digitalSignature,keyCertSign -keyout tls.pem -out ca.pem
  cat ca.pem >> tls.pem
  python -m fake_fini --host 172.17.0.1 --tls tls.pem --url-file fini-url &

It logs one line a request to standard error, never a key, and ends on SIGINT and SIGTERM.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stand-in until a signal ends it; the result is the exit code."""
    options = _parser().parse_args(arguments)
    try:
        scenario = Scenario.from_mapping({}) if options.scenario is None else Scenario.load(options.scenario)
    except ScenarioError as error:
        return _refuse(str(error))
    if options.tls is None and not is_loopback(options.host):
        return _refuse(f"{options.host} is no loopback address: there it needs --tls, lest keys travel in the clear")
    try:
        tls = None if options.tls is None else _tls(options.tls)
    except OSError as error:
        return _refuse(f"{options.tls} is no PEM file of a certificate and its key: {error}")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # Blocked before any thread starts, so that the signals wait for the one place that asks for them.
    endings = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)
    try:
        with FakeFini(scenario, host=options.host, port=options.port, tls=tls) as api:
            if options.url_file is not None:
                _write_whole(options.url_file, api.url + "\n")
            sys.stdout.write(f"The Fini stand-in listens at {api.url}\n")
            sys.stdout.flush()
            signal.sigwait(endings)
    except OSError as error:
        return _refuse(f"cannot start on {options.host}, port {options.port}: {error}")
    return 0


def _refuse(problem: str) -> int:
    sys.stderr.write(f"fake_fini: {problem}\n")
    return EXIT_UNUSABLE


def _tls(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_fini",
        description=_PURPOSE,
        epilog="\n".join((_SCENARIO + _faults_help(), _EXAMPLE, _WORKFLOW)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, default=0, help="port to listen on (0: any free one)")
    parser.add_argument("--host", type=_host, default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--tls", type=Path, metavar="FILE", help="PEM file of a certificate and its key: speak TLS")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="YAML file with jobs and faults")
    parser.add_argument("--url-file", type=Path, metavar="FILE", help="file to write the URL to, once it listens")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004 - the highest port there is
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, not {text!r}")
    return int(text)


def _host(text: str) -> str:
    try:
        return text if is_loopback(text) else str(ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an address such as 127.0.0.1 or ::1, not {text!r}") from None


def _faults_help() -> str:
    lines = []
    for kind in KINDS.values():
        meaning = textwrap.wrap(kind.meaning, _WIDTH - _MARGIN)
        if len(kind.example) > _MARGIN - 4:
            lines.append(f"  {kind.example}")
        else:
            lines.append(f"  {kind.example:<{_MARGIN - 2}}{meaning.pop(0)}")
        lines += [" " * _MARGIN + line for line in meaning]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
