#!/usr/bin/env python3
"""Makes an empty database on the PostgreSQL of TEST_POSTGRES_URL (see with-postgres.sh), and prints its URL:

    tests/postgres/with-postgres.sh tests/postgres/fresh.py NAME

The packaged PostgreSQL comes without psql, so the little of its protocol that this takes is here. The server has to
trust who connects.
"""

import os
import socket
import struct
import sys
import urllib.parse


def connect(url):
    query = urllib.parse.parse_qs(url.query)
    host, port = query.get("host", [url.hostname])[0], url.port or 5432
    if not host.startswith("/"):
        return socket.create_connection((host, port), 60)
    plug = socket.socket(socket.AF_UNIX)
    plug.connect(f"{host}/.s.PGSQL.{port}")
    return plug


def message(plug):
    kind, length = struct.unpack("!cI", plug.read(5))
    return kind, plug.read(length - 4)


def until_ready(plug):
    while True:
        kind, body = message(plug)
        if kind == b"E":
            raise RuntimeError(body.replace(b"\0", b" ").decode(errors="replace"))
        if kind == b"R" and body != bytes(4):
            raise RuntimeError("the server wants a password")
        if kind == b"Z":
            return


def run(text, statement):
    """One statement on the database of a URL."""
    url = urllib.parse.urlsplit(text)
    names = {"user": url.username or "postgres", "database": url.path[1:] or "postgres"}
    start = b"".join(f"{name}\0{value}\0".encode() for name, value in names.items()) + b"\0"
    query = statement.encode() + b"\0"
    with connect(url) as open_socket, open_socket.makefile("rwb") as plug:
        plug.write(struct.pack("!II", 8 + len(start), 3 << 16) + start)
        plug.flush()
        until_ready(plug)
        plug.write(b"Q" + struct.pack("!I", 4 + len(query)) + query)
        plug.flush()
        until_ready(plug)


def fresh(name):
    """An empty database of this name, whatever was there."""
    server = os.environ["TEST_POSTGRES_URL"]
    run(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    run(server, f'CREATE DATABASE "{name}"')
    return urllib.parse.urlsplit(server)._replace(path=f"/{name}").geturl()


if __name__ == "__main__":
    print(fresh(sys.argv[1]))
