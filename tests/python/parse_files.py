"""Reads a mounted folder with botocore's own parsers, and prints which credentials each file gives."""

import json
import sys

import botocore.session

folder, profile = sys.argv[1:]


def through(**files):
    """The credentials that a session finds, which knows these files alone."""
    session = botocore.session.Session(profile=profile)
    session.set_config_variable("credentials_file", files.get("credentials", "/nonexistent"))
    session.set_config_variable("config_file", files.get("config", "/nonexistent"))
    credentials = session.get_credentials()
    frozen = credentials.get_frozen_credentials()
    return {
        "method": credentials.method,
        "AccessKeyId": frozen.access_key,
        "SecretAccessKey": frozen.secret_key,
        "SessionToken": frozen.token,
        "region": session.get_config_variable("region"),
    }


print(
    json.dumps(
        {
            "credentials": through(credentials=f"{folder}/credentials"),
            "config": through(config=f"{folder}/config"),
        }
    )
)
