#!/usr/bin/env python3
"""What reading costs: a page of activities for every filter, with few and with many records in one neighbourhood, and
1,000 open streams. The tables go to standard output; it fails where a goal is missed.

    tests/postgres/with-postgres.sh benches/reads/reads.py target/release/daybook
    benches/reads/reads.py target/debug/daybook --databases sqlite --records 10000
"""

import argparse
import os
import resource
import shutil
import signal
import sys
import tempfile
import time

import fill
import pages
import streams
from server import Server

HERE = os.path.dirname(os.path.abspath(__file__))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="the binary")
    parser.add_argument("--records", type=int, default=100_000, help="records where there are many")
    parser.add_argument("--few", type=int, default=1_000, help="records where there are few")
    parser.add_argument("--requests", type=int, default=50, help="requests for each filter, to each server")
    parser.add_argument("--streams", type=int, default=1_000, help="streams that are open at a time")
    parser.add_argument("--databases", nargs="+", choices=["sqlite", "postgres"], default=["sqlite", "postgres"])
    parser.add_argument("--port", type=int, default=18_740, help="the first of the two ports that are used")
    return parser.parse_args()


def filled(given, backend, records, port, folder):
    """A server with so many records, when the clerk has judged them."""
    server = Server(os.path.abspath(given.server), backend, f"reads_{backend}_{records}", folder, port)
    try:
        filling = fill.Filling(server, records)
        filling.fill()
        server.until_quiet()
        server.tidy()
    except BaseException:
        server.stop()
        raise
    return server, filling


def on(backend, given, folder):
    """Both tables of one database."""
    opened = []
    try:
        for number, records in enumerate((given.few, given.records)):
            opened.append(filled(given, backend, records, given.port + number, folder))
        few, many = opened
        # What changed within the last minute is looked at besides, by the server's allowance for clocks that differ.
        time.sleep(61)
        names = f"{backend}, {given.few} → {given.records} records"
        beyond = pages.table(names, few, many, given.requests)
        return beyond + streams.table(backend, *few, given.streams)
    finally:
        for server, _ in opened:
            server.stop()


def main():
    given = arguments()
    # Whoever ends us ends the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # As many open files as we may have: a stream is one here and one there.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    target = os.path.join(HERE, "../../target")
    os.makedirs(target, exist_ok=True)
    folder, beyond = tempfile.mkdtemp(prefix="reads.", dir=target), []
    fill.tell(f"reads: the servers' logs are in {folder}, which is kept if this fails")
    for backend in given.databases:
        beyond += on(backend, given, folder)
    shutil.rmtree(folder)
    for line in beyond:
        print(f"beyond the goal: {line}", file=sys.stderr)
    return 1 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
