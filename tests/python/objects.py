"""Makes a bucket with numbered objects of CSV, with the credentials of the environment, and prints how many there are."""

import os
import sys

import boto3

endpoint, bucket, number = sys.argv[1:]
region = os.environ["AWS_REGION"]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region)
s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
for name in range(int(number)):
    s3.put_object(Bucket=bucket, Key=f"{name}.csv", Body=f"day,orders\n1,{name}\n".encode())
print(number)
