"""Calls AWS all the time, as a server does, and prints how it goes: one JSON object a line."""

import json
import time

import boto3

now, keys, calls, failures = [None], [], 0, []


def signed(request, **_):
    now[0] = request.headers["Authorization"].decode().split("Credential=")[1].split("/")[0]


sts = boto3.client("sts")
sts.meta.events.register("before-send.sts", signed)
told = 0.0
while True:
    calls += 1
    try:
        arn = sts.get_caller_identity()["Arn"]
        if not keys or keys[-1] != now[0]:
            keys.append(now[0])
            told = 0.0
    except Exception as error:  # Whatever it is, it is counted.
        arn = None
        failures.append(f"{type(error).__name__}: {error}"[:300])
        told = 0.0
    if time.monotonic() - told > 2:
        method = boto3.Session().get_credentials()
        print(json.dumps({"calls": calls, "failures": failures, "keys": keys, "arn": arn, "method": method and method.method}), flush=True)
        told = time.monotonic()
    time.sleep(0.1)
