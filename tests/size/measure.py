"""Measures the sidecar: size of the program, time from its start to its first answer, memory after many answers.

What a loaded machine can make worse (the time) has a limit that only a change for the worse in kind breaks.
"""

import http.client
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

program = pathlib.Path(sys.argv[1])
LARGEST, MOST_RESIDENT, SLOWEST = 5_000_000, 5_000_000, 0.25
STARTS, ANSWERS, CONNECTIONS = 11, 2000, 50


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(folder, port):
    """The process, and the seconds from its start to its first answer."""
    began = time.monotonic()
    process = subprocess.Popen(
        [program, "--listen", f"127.0.0.1:{port}", "--credentials", folder / "credentials.json"]
        + ["--token-file", folder / "token", "--create-token"],
        stderr=subprocess.DEVNULL,
        env={},
    )
    while time.monotonic() - began < 30:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return process, time.monotonic() - began
        except ConnectionError:
            time.sleep(0.0005)
    process.kill()
    sys.exit("size: the sidecar does not answer")


def resident(process):
    """Most memory that the process had resident so far, in bytes."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def main():
    session = {"Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "s" * 40, "SessionToken": "t" * 1500}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "credentials.json").write_text(json.dumps(session | {"Expiration": "2999-01-01T00:00:00Z"}))
        times = []
        for _ in range(STARTS):
            process, took = start(folder, free_port())
            times.append(took)
            process.terminate()
            assert process.wait(30) == 0, "it ends when it is asked to"
        port = free_port()
        process, _ = start(folder, port)
        token = (folder / "token").read_text()
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=5) for _ in range(CONNECTIONS)]
        for number in range(ANSWERS):
            connection = connections[number % CONNECTIONS]
            connection.request("GET", "/v1/credentials", headers={"Authorization": token})
            answer = connection.getresponse()
            assert answer.status == 200 and len(answer.read()) > 1500
        memory = resident(process)
        process.terminate()
        process.wait(30)
    size, time_to_serve = program.stat().st_size, statistics.median(times)
    print(
        f"size: refreshable-agent: {size / 1e6:.2f} MB, {memory / 1e6:.2f} MB resident after {ANSWERS} answers on "
        f"{CONNECTIONS} connections, first answer {time_to_serve * 1000:.1f} ms after its start"
    )
    for what, found, limit in (("size", size, LARGEST), ("memory", memory, MOST_RESIDENT), ("start", time_to_serve, SLOWEST)):
        if found > limit:
            sys.exit(f"size: {what} is {found}, more than {limit}")


main()
