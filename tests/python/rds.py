"""A database with the IAM authentication of Amazon RDS, and its clients.

    rds.py serve <root> <folder> <port>      PostgreSQL on localhost, until it is ended
    rds.py judge <root> <folder> <port>      logs in with botocore's password, and with what differs from it
    rds.py login <root> <files>              logs in with each of the published files and variables
    rds.py pool <root> <files> <state>       pools that hold connections and open new ones, until they are ended
    rds.py options <root> <my.cnf>           what MariaDB's client reads there

<root> is what tests/peers/postgres prints. <folder> is the server's own. The sessions whose signatures it takes are in
sessions.json there, as credential processes print them; the time that it judges by is in the file "now" (seconds since
1970), and the machine's where there is none. It has written the file "ready" when it takes connections. <files> holds
one file for each data key of the published Secret. <state> is a file that tells of the last round.

PostgreSQL asks an LDAP server whether a password is right. Here that is a part of this script, which signs again what
the password says was signed, with botocore's own signer.
"""

import contextlib
import ctypes.util
import datetime
import glob
import hmac
import io
import json
import os
import pathlib
import signal
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse
from unittest import mock

HOST, REGION, USER = "localhost", "eu-west-1", "app"
ALGORITHM, FORMAT = "AWS4-HMAC-SHA256", "%Y%m%dT%H%M%SZ"
# Of RDS: how long a password is taken. Clocks of clients may be ahead by as much as those of AWS's other services.
LONGEST, AHEAD = 900, 300
# The connection's own word for whom it is of.
WHO = "SELECT format('%s over %s', current_user, version) FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
BEGAN = "SELECT extract(epoch FROM backend_start)::float8 FROM pg_stat_activity WHERE pid = pg_backend_pid()"
SERVICE = "default"


def libraries(root):
    return ":".join(glob.glob(f"{root}/usr/lib/*-linux-gnu") + glob.glob(f"{root}/lib/*-linux-gnu"))


def program(root, name):
    return f"{root}/usr/lib/postgresql/15/bin/{name}"


def environment(root, **variables):
    """For programs of <root>: nothing of a developer's own."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LD_LIBRARY_PATH": libraries(root), **variables}


def replace(path, text):
    """A reader sees the former text or this one."""
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def sessions(folder):
    return {session["AccessKeyId"]: session for session in json.loads((folder / "sessions.json").read_text())}


def signed(session, host, port, user, region=REGION, date=None, expires=LONGEST):
    """The password, by botocore's signer."""
    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    key = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session.get("SessionToken"))
    query = urllib.parse.urlencode({"Action": "connect", "DBUser": user})
    request = AWSRequest(method="GET", url=f"https://{host}:{port}/?{query}")
    date = date or datetime.datetime.now(datetime.timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", return_value=date):
        botocore.auth.SigV4QueryAuth(key, "rds-db", region, expires).add_auth(request)
    return request.url.removeprefix("https://")


# --- the server ---


class Authority:
    """Judges passwords."""

    def __init__(self, folder, port):
        self.folder, self.port, self.lock = folder, port, threading.Lock()

    def now(self):
        with contextlib.suppress(FileNotFoundError):
            return float((self.folder / "now").read_text())
        return time.time()

    def refusal(self, user, password):
        """Why it is not taken, if it is not."""
        _, _, query = password.partition("/?")
        given = dict(urllib.parse.parse_qsl(query))
        if given.get("X-Amz-Algorithm") != ALGORITHM:
            return "it is not a signed request"
        session = sessions(self.folder).get(given.get("X-Amz-Credential", "").split("/")[0])
        if session is None:
            return "the access key is unknown"
        try:
            date = datetime.datetime.strptime(given["X-Amz-Date"], FORMAT).replace(tzinfo=datetime.timezone.utc)
            expires = int(given["X-Amz-Expires"])
        except (KeyError, ValueError) as error:
            return f"no time can be read from it ({type(error).__name__})"
        if not 0 < expires <= LONGEST:
            return f"it is for {expires} s"
        begins = date.timestamp()
        if not begins - AHEAD <= self.now() < begins + expires:
            return f"its time is {given['X-Amz-Date']} and {expires} s on"
        with self.lock:
            expected = signed(session, HOST, self.port, user, date=date, expires=expires)
        # The order of parameters, and which letters are encoded, is not signed.
        if not hmac.compare_digest(canonical(expected), canonical(password)):
            return "the session does not sign so for this user"
        return None

    def takes(self, user, password):
        refusal = self.refusal(user, password)
        print(f"{user}: {refusal or 'let in'}", file=sys.stderr, flush=True)
        return refusal is None


def canonical(password):
    host, _, query = password.partition("/?")
    return json.dumps([host, *sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))]).encode()


class Bind(socketserver.StreamRequestHandler):
    """Simple binds of LDAP (RFC 4511), in BER; nothing else of it."""

    INTEGER, OCTETS, ENUMERATED, SEQUENCE, PASSWORD, BIND, BOUND = 0x02, 0x04, 0x0A, 0x30, 0x80, 0x60, 0x61
    SUCCESS, INVALID_CREDENTIALS = 0, 49

    def handle(self):
        while message := self.element():
            number, operation = self.elements(message[1])
            if operation[0] != self.BIND:
                return
            _, name, password = self.elements(operation[1])
            assert name[0] == self.OCTETS and password[0] == self.PASSWORD
            user = name[1].decode().removeprefix("user=")
            taken = self.server.authority.takes(user, password[1].decode(errors="replace"))
            result = self.SUCCESS if taken else self.INVALID_CREDENTIALS
            answer = self.encoded(self.ENUMERATED, bytes([result])) + 2 * self.encoded(self.OCTETS, b"")
            answer = self.encoded(*number) + self.encoded(self.BOUND, answer)
            self.wfile.write(self.encoded(self.SEQUENCE, answer))

    def element(self, source=None):
        source = source or self.rfile
        tag = source.read(1)
        if not tag:
            return None
        length = source.read(1)[0]
        if length & 0x80:
            length = int.from_bytes(source.read(length & 0x7F), "big")
        return tag[0], source.read(length)

    def elements(self, content):
        source = io.BytesIO(content)
        return list(iter(lambda: self.element(source), None))

    @staticmethod
    def encoded(tag, content):
        assert len(content) < 0x80
        return bytes([tag, len(content)]) + content


class Directory(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, authority):
        super().__init__(("127.0.0.1", 0), Bind)
        self.authority = authority


def serve(root, folder, port):
    folder, port = pathlib.Path(folder), int(port)
    directory = Directory(Authority(folder, port))
    threading.Thread(target=directory.serve_forever, daemon=True).start()
    data = folder / "data"
    data.mkdir(mode=0o700)
    as_user = ["setpriv", "--pdeathsig", "QUIT"]
    if os.getuid() == 0:
        # PostgreSQL does not run as root. Another user reaches neither the programs in root's home nor this folder,
        # unless it keeps the one right of root's to pass any folder, also in the eyes of access(2).
        other, right = "65534", "+dac_override"
        as_user += ["--reuid", other, "--regid", other, "--clear-groups", "--inh-caps", right, "--ambient-caps", right,
                    "--securebits", "+no_setuid_fixup"]
        os.chown(data, int(other), int(other))

    def run(*command, **options):
        done = subprocess.run(
            [*as_user, *command], env=environment(root), cwd=folder, text=True, capture_output=True, **options
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"

    run(program(root, "initdb"), "--no-sync", "--encoding", "UTF8", "--locale", "C", "--username", "owner",
        "--auth", "reject", "--pgdata", data)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
        "-keyout", data / "server.key", "-out", data / "server.crt")
    (folder / "server.crt").write_bytes((data / "server.crt").read_bytes())
    (data / "pg_hba.conf").write_text(
        "hostssl all all 127.0.0.1/32 ldap ldapserver=127.0.0.1"
        f' ldapport={directory.server_address[1]} ldapprefix="user="\n'
    )
    run(program(root, "postgres"), "--single", "-D", data, "postgres", input=f"CREATE ROLE {USER} LOGIN\n")
    run(program(root, "postgres"), "--single", "-D", data, "postgres", input="CREATE ROLE other LOGIN\n")

    settings = {
        "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "ssl": "on", "fsync": "off", "jit": "off",
        "max_connections": 30, "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap",
    }
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    # Of the main thread: a child whose parent thread ends is ended.
    server = subprocess.Popen(
        [*as_user, program(root, "postgres"), "-D", data, "-p", str(port), *arguments],
        env=environment(root), cwd=folder,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while server.poll() is None:
            asked = subprocess.run(
                [program(root, "pg_isready"), "--quiet", "--host", "127.0.0.1", "--port", str(port)],
                env=environment(root),
            )
            if asked.returncode == 0:
                replace(folder / "ready", "")
                break
            time.sleep(0.1)
        sys.exit(f"PostgreSQL ended: {server.wait()}")
    finally:
        server.send_signal(signal.SIGQUIT)
        server.wait()


# --- the clients ---


def connect(root, **variables):
    """What psql says: whom it is connected as, or why not."""
    done = subprocess.run(
        [program(root, "psql"), "--no-psqlrc", "--no-align", "--tuples-only", "--no-password", "--command", WHO],
        env=environment(root, PGCONNECT_TIMEOUT="20", **variables), text=True, capture_output=True,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


def judge(root, folder, port):
    import boto3

    folder, port = pathlib.Path(folder), int(port)
    session = next(iter(sessions(folder).values()))
    key = {
        "aws_access_key_id": session["AccessKeyId"], "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    rds = boto3.client("rds", region_name=REGION, **key)
    password = rds.generate_db_auth_token(DBHostname=HOST, Port=port, DBUsername=USER)
    other_secret = {**session, "SecretAccessKey": session["SecretAccessKey"][::-1]}
    without_token = {name: value for name, value in session.items() if name != "SessionToken"}
    unknown = {**session, "AccessKeyId": "ASIANOBODYKNOWSTHIS0"}

    def before(seconds):
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)

    passwords = {
        "botocore": password,
        "ten minutes ago": signed(session, HOST, port, USER, date=before(600)),
        "ended": signed(session, HOST, port, USER, date=before(LONGEST + 1)),
        "of tomorrow": signed(session, HOST, port, USER, date=before(-86400)),
        "for an hour": signed(session, HOST, port, USER, expires=3600),
        "another signature": password[:-1] + ("0" if password[-1] != "0" else "1"),
        "another secret": signed(other_secret, HOST, port, USER),
        "another access key": signed(unknown, HOST, port, USER),
        "no session token": signed(without_token, HOST, port, USER),
        "another user": signed(session, HOST, port, "other"),
        "another host": signed(session, "127.0.0.1", port, USER),
        "another port": signed(session, HOST, port + 1, USER),
        "another region": signed(session, HOST, port, USER, region="eu-west-2"),
        "one more parameter": f"{password}&X=1",
        "a word": "password",
    }
    where = {"PGHOST": HOST, "PGPORT": str(port), "PGUSER": USER, "PGDATABASE": "postgres", "PGSSLMODE": "require"}
    found = {name: connect(root, PGPASSWORD=text, **where) for name, text in passwords.items()}
    found["without TLS"] = connect(root, PGPASSWORD=password, **{**where, "PGSSLMODE": "disable"})
    found["as somebody else"] = connect(root, PGPASSWORD=password, **{**where, "PGUSER": "other"})
    return {"length": len(password), "found": found}


def variables(files, *left_out):
    """libpq's, as they are published."""
    return {path.name: path.read_text() for path in files.glob("PG*") if path.name not in left_out}


def login(root, files):
    files = pathlib.Path(files)
    service = {"PGSERVICEFILE": str(files / "pg_service.conf"), "PGSERVICE": SERVICE}
    passfile = {"PGPASSFILE": str(files / ".pgpass")}
    # As a volume of a Secret has its files by default.
    (files / "open").write_bytes((files / ".pgpass").read_bytes())
    (files / "open").chmod(0o644)
    try:
        return {
            "pg_service.conf": connect(root, **service, **passfile),
            ".pgpass": connect(root, **passfile, **variables(files, "PGPASSWORD")),
            ".pgpass that others may read": connect(root, **service, PGPASSFILE=str(files / "open")),
            "variables": connect(root, **variables(files)),
        }
    finally:
        (files / "open").unlink()


def pool(root, files, state):
    if os.environ.get("LD_LIBRARY_PATH") != libraries(root):
        os.execve(sys.executable, [sys.executable, *sys.argv], environment(root))
    files, state = pathlib.Path(files), pathlib.Path(state)
    os.environ.update(PGSERVICEFILE=str(files / "pg_service.conf"), PGSERVICE=SERVICE, PGCONNECT_TIMEOUT="20")
    sys.path.append(f"{root}/usr/lib/python3/dist-packages")
    elsewhere = ctypes.util.find_library
    # psycopg finds it by this, which looks only where the system's libraries are.
    ctypes.util.find_library = lambda name: "libpq.so.5" if name == "pq" else elsewhere(name)
    import psycopg
    import psycopg_pool

    class Reading(psycopg.Connection):
        @classmethod
        def connect(cls, conninfo="", **options):
            return super().connect(conninfo, password=(files / "token").read_text(), **options)

    settings = {
        "a password": {"kwargs": {"password": (files / "token").read_text()}},
        ".pgpass": {"kwargs": {"passfile": str(files / ".pgpass")}},
        "token": {"connection_class": Reading},
    }
    pools = {name: psycopg_pool.ConnectionPool(min_size=1, max_size=4, **one) for name, one in settings.items()}
    held = {name: one.getconn(timeout=20) for name, one in pools.items()}
    for connection in held.values():
        connection.autocommit = True

    def number(connection):
        return connection.execute("SELECT pg_backend_pid()").fetchone()[0]

    def new(one):
        """When a connection began that the pool opened after the last round, or that it opened none in time."""
        try:
            with one.connection(timeout=2) as connection:
                began = connection.execute(BEGAN).fetchone()[0]
                # The pool opens another one instead.
                connection.close()
                return {"began": began}
        except psycopg_pool.PoolTimeout as error:
            return {"error": str(error)}

    while True:
        told = {
            "held": {name: number(connection) for name, connection in held.items()},
            "new": {name: new(one) for name, one in pools.items()},
        }
        replace(state, json.dumps(told))
        time.sleep(0.2)


def options(root, file):
    def said(name, *arguments):
        command = [f"{root}/usr/bin/{name}", f"--defaults-file={file}", *arguments]
        done = subprocess.run(command, env=environment(root), text=True, capture_output=True)
        assert done.returncode == 0, f"{name}: {done.stderr}"
        return done.stdout

    read = [line.removeprefix("--").partition("=") for line in said("my_print_defaults", "client").splitlines()]
    # The client's own table of its options, after a line of dashes: without the password.
    _, _, table = said("mariadb", "--help").rpartition("-----\n")
    taken = [line.split(maxsplit=1) for line in table.splitlines() if line.strip()]
    return {"read": {name: value for name, _, value in read}, "taken": {row[0]: row[-1].strip() for row in taken}}


MODES = {"serve": serve, "judge": judge, "login": login, "pool": pool, "options": options}

if __name__ == "__main__":
    print(json.dumps(MODES[sys.argv[1]](*sys.argv[2:])))
