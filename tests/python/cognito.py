"""Makes an identity pool with a guest, takes credentials for the guest, and prints all three."""

import json
import sys

import boto3

endpoint, role, region = sys.argv[1:]
client = boto3.client("cognito-identity", endpoint_url=endpoint, region_name=region)
pool = client.create_identity_pool(IdentityPoolName="bench", AllowUnauthenticatedIdentities=True)["IdentityPoolId"]
if role != "none":  # which moto does not know
    client.set_identity_pool_roles(IdentityPoolId=pool, Roles={"unauthenticated": role, "authenticated": role})
identity = client.get_id(IdentityPoolId=pool)["IdentityId"]
credentials = client.get_credentials_for_identity(IdentityId=identity)["Credentials"]
print(
    json.dumps(
        {"IdentityPoolId": pool, "IdentityId": identity, "AccessKeyId": credentials["AccessKeyId"]}
    )
)
