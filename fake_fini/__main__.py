"""The stand-in on the command line: `python -m fake_fini --help`."""

import argparse
import logging
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from fake_fini.scenario import Scenario
from fake_fini.server import FakeFini

PURPOSE = """\
A local stand-in for Fini's API. It responds as Fini's API reference says, over real HTTP on a loopback address (or over
TLS on any address), with jobs and faults of your own. It needs no account, calls no other service and stores nothing.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the stand-in until a signal ends it, and return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signals = {signal.SIGINT, signal.SIGTERM}
    try:
        scenario = Scenario.load(options.scenario) if options.scenario else Scenario.from_mapping({})
        # Blocked before any thread starts, so that the signals wait for sigwait.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        with FakeFini(scenario, host=options.host, port=options.port, tls=_tls(options.tls)) as api:
            if options.url_file:
                # Whoever waits for the file must not read half of it.
                draft = options.url_file.with_name(f".{options.url_file.name}.{os.getpid()}")
                draft.write_text(api.url + "\n")
                draft.replace(options.url_file)
            print(f"The Fini stand-in listens at {api.url}", flush=True)
            signal.sigwait(signals)
    except (OSError, OverflowError, ValueError) as error:
        place = "" if isinstance(error, ValueError) else f"cannot start on {options.host}, port {options.port}: "
        print(f"fake_fini: {place}{error}", file=sys.stderr)
        return 2
    return 0


def _tls(path: Path | None) -> ssl.SSLContext | None:
    if path is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(path)
    except OSError as error:
        raise ValueError(f"{path} is not a PEM file with a certificate and its key: {error}") from None
    return context


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fake_fini",
        description=PURPOSE,
        epilog=Path(__file__).with_name("help.txt").read_text(encoding="utf-8"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--tls", type=Path, metavar="FILE", help="PEM file with certificate and key, to speak TLS")
    parser.add_argument("--scenario", type=Path, metavar="FILE", help="YAML file with jobs and faults")
    parser.add_argument("--url-file", type=Path, metavar="FILE", help="file for the URL, written once it listens")
    return parser


if __name__ == "__main__":
    sys.exit(main())
