"""Calls STS all the time with boto3 and the credentials that it finds by itself. Prints a line of JSON for each call."""

import json
import os
import sys
import time

import boto3
from botocore.exceptions import ClientError


def say(**line):
    print(json.dumps(line), flush=True)


def main():
    say(sdk=boto3.__version__)
    pause = int(os.environ["CALL_EVERY_MS"]) / 1000
    sts = boto3.client("sts")
    while True:
        try:
            sts.get_caller_identity()
            say(ok=True)
        except ClientError as error:
            say(ok=False, code=error.response["Error"]["Code"])
        except Exception as error:
            print(error, file=sys.stderr, flush=True)
            say(ok=False, code=type(error).__name__)
        time.sleep(pause)


main()
