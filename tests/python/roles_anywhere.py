"""Creates a session with iam-rolesanywhere-session, and prints its access key id."""

import json
import sys

from iam_rolesanywhere_session import IAMRolesAnywhereSession

endpoint, trusted, profile, role, anchor, certificate, key, chain = sys.argv[1:]
session = IAMRolesAnywhereSession(
    profile_arn=profile,
    role_arn=role,
    trust_anchor_arn=anchor,
    certificate=certificate.encode(),
    private_key=key.encode(),
    certificate_chain=chain.encode(),
    region="eu-west-1",
    endpoint=endpoint,
    verify=trusted,
).get_session()
print(json.dumps({"AccessKeyId": session.get_credentials().get_frozen_credentials().access_key}))
