"""Puts an object into S3 and reads it back, with whatever credentials boto3 finds."""

import boto3


def key_id(request, found):
    """The key that a request is signed with, from the request itself."""
    found.append(request.headers["Authorization"].decode().split("Credential=")[1].split("/")[0])


found = []
session = boto3.Session()
s3 = session.client("s3")
s3.meta.events.register("before-send.s3", lambda request, **_: key_id(request, found))
s3.put_object(Bucket="reports", Key="hello.txt", Body=b"hello from a Pod")
body = s3.get_object(Bucket="reports", Key="hello.txt")["Body"].read().decode()
print(f"put and read s3://reports/hello.txt: {body!r}")
print(f"signed with {found[-1]}, found by boto3 in: {session.get_credentials().method}")
