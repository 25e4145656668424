"""Makes a bucket, writes an object and reads it back, with the credentials of the environment."""

import json
import sys

import boto3

endpoint, bucket = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket=bucket, Key="key", Body=b"hello")
print(json.dumps(s3.get_object(Bucket=bucket, Key="key")["Body"].read().decode()))
