"""Takes credentials from a container endpoint with boto3 and with awscrt, and prints what each found."""

import json
import os

import awscrt.auth
import awscrt.io
import boto3

credentials = boto3.Session().get_credentials()
credentials.get_frozen_credentials()

group = awscrt.io.EventLoopGroup(1)
bootstrap = awscrt.io.ClientBootstrap(group, awscrt.io.DefaultHostResolver(group))
provider = awscrt.auth.AwsCredentialsProvider.new_default_chain(bootstrap)
found = provider.get_credentials().result(30)
assert found.session_token, "no session"
print(json.dumps({"boto3": credentials.method, "awscrt": found.access_key_id}))
