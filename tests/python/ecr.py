"""Asks ECR and ECR Public at an endpoint for a token with botocore's own clients, and prints what they read of the
answers, and where they would ask AWS's own: ecr.py <endpoint>"""

import base64
import json
import sys

import boto3
from botocore.config import Config

KEYS = {"aws_access_key_id": "ASIAEXAMPLE", "aws_secret_access_key": "example", "aws_session_token": "example"}
# Regions with each kind of endpoint.
REGIONS = {
    "ecr": ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1", "us-iso-east-1"],
    "ecr-public": ["us-east-1"],
}
FIPS = ["us-east-1", "us-gov-west-1"]
DUAL_STACK = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]


def read(service):
    client = boto3.client(service, endpoint_url=sys.argv[1], region_name="us-east-1", **KEYS)
    data = client.get_authorization_token()["authorizationData"]
    one = data[0] if isinstance(data, list) else data
    assert one["expiresAt"].tzinfo is not None
    return base64.b64decode(one["authorizationToken"]).decode()


def endpoints():
    for service, regions in REGIONS.items():
        for region in regions:
            for fips in (False, True):
                for dual_stack in (False, True):
                    if (not fips or region in FIPS and service == "ecr") and (not dual_stack or region in DUAL_STACK):
                        config = Config(use_fips_endpoint=fips, use_dualstack_endpoint=dual_stack)
                        client = boto3.client(service, region_name=region, config=config, **KEYS)
                        yield [service, region, fips, dual_stack, client.meta.endpoint_url]


print(json.dumps({"read": [read("ecr"), read("ecr-public")], "endpoints": list(endpoints())}))
