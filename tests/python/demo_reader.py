"""Reads an object again and again with one boto3 client, as a server does, and says when the key changes."""

import os
import time

import boto3

now = []


def signed(request, **_):
    now[:] = [request.headers["Authorization"].decode().split("Credential=")[1].split("/")[0]]


s3 = boto3.client("s3")
s3.meta.events.register("before-send.s3", signed)
reads, before = 0, None
while True:
    s3.get_object(Bucket="reports", Key="hello.txt")["Body"].read()
    reads += 1
    if now != before:
        print(f"process {os.getpid()}, read {reads}: signed with {now[0]}", flush=True)
        before = list(now)
    time.sleep(0.3)
