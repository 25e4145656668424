"""Asks CodeArtifact at an endpoint for a token with botocore's own client, and prints what it reads of the answer, and
where it would ask AWS's own: code_artifact.py <endpoint>"""

import json
import sys
import urllib.parse

import boto3
from botocore.config import Config

KEYS = {"aws_access_key_id": "ASIAEXAMPLE", "aws_secret_access_key": "example", "aws_session_token": "example"}
ASKED = {"domain": "team", "domainOwner": "111122223333", "durationSeconds": 7200}
# Regions with each kind of endpoint.
REGIONS = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"]
FIPS = ["us-east-1", "us-gov-west-1"]
DUAL_STACK = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]


class Unsent(Exception):
    """A request that is made, and not sent."""


def read():
    client = boto3.client("codeartifact", endpoint_url=sys.argv[1], region_name="eu-west-1", **KEYS)
    answer = client.get_authorization_token(**ASKED)
    assert answer["expiration"].tzinfo is not None
    return {"token": answer["authorizationToken"], "expiration": int(answer["expiration"].timestamp())}


def endpoint(region, fips, dual_stack):
    config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual_stack, retries={"max_attempts": 0})
    client = boto3.client("codeartifact", region_name=region, config=config, **KEYS)

    def keep(request, **_):
        raise Unsent(request.url)

    client.meta.events.register("before-send.codeartifact", keep)
    try:
        client.get_authorization_token(**ASKED)
    except Unsent as request:
        url = urllib.parse.urlsplit(str(request))
        return f"{url.scheme}://{url.netloc}"
    raise AssertionError("the request was sent")


def endpoints():
    for region in REGIONS:
        for fips in (False, True):
            for dual_stack in (False, True):
                if (not fips or region in FIPS) and (not dual_stack or region in DUAL_STACK):
                    yield [region, fips, dual_stack, endpoint(region, fips, dual_stack)]


print(json.dumps({"read": read(), "endpoints": list(endpoints())}))
