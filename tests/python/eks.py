"""Takes a bearer token of EKS apart as a cluster does: sends its URL to STS at an endpoint, and prints whom STS names, and
how it differs from a token that the AWS CLI makes: eks.py <endpoint> <cluster> <region> <file with the token>"""

import base64
import json
import sys
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import botocore.session
from awscli.customizations.eks.get_token import STSClientFactory, TokenGenerator

endpoint, cluster, region, file = sys.argv[1:]
PREFIX = "k8s-aws-v1."


def url_of(token):
    assert token.startswith(PREFIX), token[:20]
    assert "=" not in token
    body = token[len(PREFIX) :]
    return urlsplit(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode())


def shape(token):
    """What aws-iam-authenticator looks at before it calls STS."""
    url = url_of(token)
    query = parse_qs(url.query, strict_parsing=True)
    same = ["Action", "Version", "X-Amz-Algorithm", "X-Amz-Expires", "X-Amz-SignedHeaders"]
    scope = query["X-Amz-Credential"][0].split("/", 2)[2]
    return [url.scheme, url.netloc, url.path, sorted(query), {name: query[name] for name in same}, scope]


def theirs():
    session = botocore.session.Session()
    session.set_credentials("ASIAEXAMPLE", "example", "example")
    session.set_config_variable("region", region)
    client = STSClientFactory(session).get_sts_client(region_name=region)
    return TokenGenerator(client).get_token(cluster)


def caller(token, name):
    url = url_of(token)
    headers = {"Host": url.netloc, "x-k8s-aws-id": name, "Accept": "application/json"}
    request = urllib.request.Request(f"{endpoint}{url.path}?{url.query}", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"


with open(file) as published:
    token = published.read()

print(
    json.dumps(
        {
            "ours": shape(token),
            "theirs": shape(theirs()),
            "caller": caller(token, cluster),
            "at another cluster": caller(token, "other"),
        }
    )
)
