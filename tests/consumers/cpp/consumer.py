"""Calls S3 all the time with the AWS SDK for C++, and the credentials that it finds by itself.

The SDK is the one that Apache Arrow is built with: pyarrow's S3FileSystem is a thin layer over its S3 client and its
default chain of credentials providers. Prints a line of JSON for each call.
"""

import json
import mmap
import os
import pathlib
import re
import sys
import time

import pyarrow
from pyarrow import fs


def say(**line):
    print(json.dumps(line), flush=True)


def sdk_version():
    """The SDK's version, which no function tells: it stands in the library beside its user agent."""
    for library in sorted(pathlib.Path(pyarrow.__file__).parent.glob("libarrow*.so.*")):
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(b"aws-sdk-cpp/") >= 0:
                return re.search(rb"\0(1\.\d\d\.\d{3,})\0", content)[1].decode()
    sys.exit("no library of pyarrow holds the AWS SDK for C++")


def main():
    say(sdk=f"{sdk_version()} (in pyarrow {pyarrow.__version__})")
    pause = int(os.environ["CALL_EVERY_MS"]) / 1000
    scheme, address = os.environ["AWS_ENDPOINT_URL"].split("://")
    s3 = fs.S3FileSystem(endpoint_override=address, scheme=scheme, region=os.environ["AWS_REGION"])
    while True:
        try:
            # Above all buckets: ListBuckets.
            s3.get_file_info(fs.FileSelector(""))
            say(ok=True)
        except Exception as error:
            code = re.search(r"AWS Error ([\w ]+?) during", str(error))
            print(error, file=sys.stderr, flush=True)
            say(ok=False, code=code[1] if code else type(error).__name__)
        time.sleep(pause)


main()
