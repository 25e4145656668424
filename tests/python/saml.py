"""Exchanges a SAML response with botocore's client, and prints whose session it is."""

import json
import sys

import boto3

endpoint, role, provider, assertion = sys.argv[1:]
sts = boto3.client("sts", endpoint_url=endpoint, region_name="eu-west-1")
answer = sts.assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=assertion)
print(json.dumps({"Arn": answer["AssumedRoleUser"]["Arn"]}))
