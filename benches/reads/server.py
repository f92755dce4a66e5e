"""A server under measurement: its database, its process, and what the kernel says that it used."""

import glob
import http.client
import json
import os
import re
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/postgres"))
import fresh  # noqa: E402

START_S = 300


class Server:
    """A demo neighbourhood on a database of its own."""

    def __init__(self, binary, backend, name, folder, port):
        self.name, self.port, self.folder = name, port, os.path.join(folder, name)
        self.database = fresh.fresh(name) if backend == "postgres" else None
        os.makedirs(self.folder)
        self.log = open(os.path.join(self.folder, "server.log"), "w+")
        command = [binary, "demo", "--listen", f"127.0.0.1:{port}"]
        outputs = {"stdout": self.log, "stderr": self.log}
        self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment(), **outputs)
        self.coordinator = self.token_of("Coordinator")

    def environment(self):
        """Ours, without what is meant for another server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}
        if self.database:
            kept |= {"DAYBOOK_DATABASE_URL": self.database, "DAYBOOK_SECRET": "for-measurements-" * 3}
        return kept

    def told(self):
        with open(self.log.name) as log:
            return log.read()

    def token_of(self, role):
        for _ in range(START_S * 2):
            found = re.search(rf"^{role} .*\n +(dbp_\S+)", self.told(), re.MULTILINE)
            if found and "Ctrl-C" in self.told():
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.5)
        raise SystemExit(f"the server did not start:\n{self.told()}")

    def stop(self):
        if self.process.poll() is not None:
            print(f"{self.name} has ended by itself: {self.process.returncode}", file=sys.stderr)
        self.process.terminate()
        self.process.wait(60)

    def tidy(self):
        """What a database does by itself sooner or later: so that it does not happen while we measure."""
        if self.database:
            fresh.run(self.database, "VACUUM ANALYZE")

    def client(self, token=None):
        return Client(self.port, token or self.coordinator)

    def grant(self, scope):
        """A further personal token of the coordinator."""
        until = time.strftime("%Y-%m-%dT00:00:00.000Z", time.gmtime(time.time() + 30 * 86_400))
        body = {"id": str(uuid.uuid4()), "name": "To measure", "scope": scope, "expires_at": until}
        return self.client().ask("POST", "/v1/grants", body)["token"]

    def processes(self):
        """The server, and the processes of PostgreSQL that work for it."""
        found = [self.process.pid]
        for path in glob.glob("/proc/[0-9]*/cmdline") if self.database else []:
            title = read(path).replace("\0", " ")
            if title.startswith("postgres: ") and f" {self.name} " in title and "autovacuum" not in title:
                found.append(int(path.split("/")[2]))
        return found

    def cpu_ns(self):
        """Nanoseconds of processor, by thread."""
        paths = [path for pid in self.processes() for path in glob.glob(f"/proc/{pid}/task/*/schedstat")]
        return {path: int((read(path) or "0").split()[0]) for path in paths}

    def until_quiet(self):
        """Waits until what works behind the answers has done it: next to no processor is used any more."""
        used, quiet = self.cpu_ns(), 0
        while quiet < 3:
            time.sleep(2)
            before, used = used, self.cpu_ns()
            quiet = quiet + 1 if used_ms(before, used) < 200 else 0

    def resident_mib(self):
        kib = re.search(r"VmRSS:\s+(\d+)", read(f"/proc/{self.process.pid}/status"))
        return int(kib[1]) / 1024


class Client:
    """One connection that is kept."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, method, path, body=None):
        """Asked again, as it was, where the machine was too slow for it."""
        for _ in range(5):
            self.connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = self.connection.getresponse()
            said = answer.read()
            if answer.status != 503:
                break
            time.sleep(1)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {said.decode()[:500]}")
        return json.loads(said) if said else None

    def get(self, path):
        return self.ask("GET", path)


def read(path):
    """A file of /proc, or nothing where the process has gone."""
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def used_ms(before, after):
    """Processor between two looks: threads that ended in between are left out."""
    return sum(spent - before.get(path, 0) for path, spent in after.items()) / 1e6
