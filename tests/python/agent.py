"""Asks the container endpoint of the environment again and again, with clients that live as long as this program, until
boto3 and awscrt have each seen <count> sessions; prints them, and each failure."""

import json
import sys
import time

import awscrt.auth
import awscrt.io
import boto3

wanted = int(sys.argv[1])
session = boto3.Session().get_credentials()
group = awscrt.io.EventLoopGroup(1)
provider = awscrt.auth.AwsCredentialsProvider.new_default_chain(
    awscrt.io.ClientBootstrap(group, awscrt.io.DefaultHostResolver(group))
)


def boto3_now():
    frozen = session.get_frozen_credentials()
    return [frozen.access_key, frozen.secret_key, frozen.token]


def awscrt_now():
    found = provider.get_credentials().result(30)
    return [found.access_key_id, found.secret_access_key, found.session_token]


seen = {"boto3": [], "awscrt": []}
failures = []
deadline = time.monotonic() + 90
while time.monotonic() < deadline and min(len(s) for s in seen.values()) < wanted:
    for name, now in (("boto3", boto3_now), ("awscrt", awscrt_now)):
        try:
            found = now()
        except Exception as error:  # Whatever a client says is a failure of the endpoint.
            failures.append(f"{name}: {error}")
            continue
        if found not in seen[name]:
            seen[name].append(found)
    time.sleep(0.2)
print(json.dumps({"method": session.method, "account": session.account_id, "seen": seen, "failures": failures}))
