"""Exchanges a token at EKS Auth with botocore's own client, and prints whom it was for."""

import json
import sys

import boto3

endpoint, cluster, token = sys.argv[1:]
client = boto3.client(
    "eks-auth",
    endpoint_url=endpoint,
    region_name="eu-west-1",
    aws_access_key_id="AKIAEXAMPLE",
    aws_secret_access_key="example",
)
answer = client.assume_role_for_pod_identity(clusterName=cluster, token=token)
assert answer["credentials"]["expiration"].tzinfo is not None
print(json.dumps({"serviceAccount": answer["subject"]["serviceAccount"]}))
