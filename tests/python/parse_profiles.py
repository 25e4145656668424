"""Reads every profile of a mounted folder with botocore, through both files, and prints whose key each gives."""

import json
import sys

import botocore.session

folder, *profiles = sys.argv[1:]


def through(profile, **files):
    session = botocore.session.Session(profile=profile)
    session.set_config_variable("credentials_file", files.get("credentials", "/nonexistent"))
    session.set_config_variable("config_file", files.get("config", "/nonexistent"))
    return session.get_credentials().get_frozen_credentials().access_key


print(
    json.dumps(
        {
            profile: {
                "credentials": through(profile, credentials=f"{folder}/credentials"),
                "config": through(profile, config=f"{folder}/config"),
            }
            for profile in profiles
        }
    )
)
