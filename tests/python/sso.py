"""Takes credentials of a permission set through botocore's SSO provider, with a token cache of its own."""

import hashlib
import json
import os
import pathlib
import sys
import tempfile

account, role, token = sys.argv[1:]
with tempfile.TemporaryDirectory() as home:
    os.environ["HOME"] = home
    cache = pathlib.Path(home, ".aws", "sso", "cache")
    cache.mkdir(parents=True)
    (cache / (hashlib.sha1(b"bench").hexdigest() + ".json")).write_text(token)
    pathlib.Path(home, ".aws", "config").write_text(
        "[profile p]\n"
        f"sso_session = bench\nsso_account_id = {account}\nsso_role_name = {role}\nregion = eu-west-1\n"
        "[sso-session bench]\nsso_region = eu-west-1\n"
        "sso_start_url = https://example.awsapps.com/start\nsso_registration_scopes = sso:account:access\n"
    )
    import boto3

    credentials = boto3.Session(profile_name="p").get_credentials()
    credentials.get_frozen_credentials()
    print(json.dumps({"method": credentials.method, "AccessKeyId": credentials.access_key}))
