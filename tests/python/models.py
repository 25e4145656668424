"""Compares the requests and answers of AWS's operations, as botocore's models have them, with the CRD.

    models.py <folder of botocore> <the CRDs> <tests/python/models.txt>

Prints what is wrong, one line each: a field of a model that is neither in the CRD nor in the table, and a row of the
table that is untrue or of no use.
"""

import gzip
import json
import pathlib
import re
import sys

import yaml

# The operations that sources and the plugin call, and the part of the resource whose fields are their parameters.
CALLS = {
    ("sts", "AssumeRole"): "spec.roles",
    ("sts", "AssumeRoleWithWebIdentity"): "spec.source.webIdentity",
    ("sts", "AssumeRoleWithSAML"): "spec.source.saml",
    ("sts", "GetSessionToken"): "spec.source.sessionToken",
    ("sts", "GetFederationToken"): "spec.source.federationToken",
    ("sts", "GetCallerIdentity"): "spec",
    ("sso", "GetRoleCredentials"): "spec.source.identityCenter",
    ("sso-oidc", "CreateToken"): "spec.source.identityCenter",
    ("sso-oidc", "RegisterClient"): "spec.source.identityCenter",
    ("sso-oidc", "StartDeviceAuthorization"): "spec.source.identityCenter",
    ("eks-auth", "AssumeRoleForPodIdentity"): "spec.source.podIdentity",
    ("cognito-identity", "GetId"): "spec.source.cognito",
    ("cognito-identity", "GetCredentialsForIdentity"): "spec.source.cognito",
    ("ecr", "GetAuthorizationToken"): "spec.token.ecr",
    ("ecr-public", "GetAuthorizationToken"): "spec.token.ecr",
    ("codeartifact", "GetAuthorizationToken"): "spec.token.codeArtifact",
    ("sts", "GetWebIdentityToken"): "spec.token.webIdentity",
}
# Services of which each operation is called or in the table.
WHOLE = ["sts", "sso", "sso-oidc", "eks-auth"]
# Called without a model: a row of the table says so, and fails once there is one.
WITHOUT_MODEL = ["rolesanywhere"]
ROW = re.compile(r"(\S+) (\S+) (?:(request|response) (\S+) )?(?:= (\S+)|\| (\S.*))")


def model(botocore, service):
    newest = max((botocore / "data" / service).iterdir())
    return json.loads(gzip.decompress((newest / "service-2.json.gz").read_bytes()))


def leaves(shapes, name, path=(), above=()):
    """The paths of the members of a shape that have none themselves; lists count as their elements."""
    shape = shapes[name]
    if shape["type"] == "list":
        return leaves(shapes, shape["member"]["shape"], path, above)
    if shape["type"] != "structure" or name in above:
        return [path]
    return [
        leaf
        for member, inner in shape["members"].items()
        for leaf in leaves(shapes, inner["shape"], (*path, member), (*above, name))
    ]


def fields(botocore):
    """Each field of what is called: service, operation, side, path."""
    for (service, operation) in CALLS:
        described = model(botocore, service)
        called = described["operations"][operation]
        for side, part in (("request", "input"), ("response", "output")):
            if part in called:
                for path in leaves(described["shapes"], called[part]["shape"]):
                    yield service, operation, side, ".".join(path)


def others(botocore):
    """The operations that are not called."""
    for service in WHOLE:
        for operation in model(botocore, service)["operations"]:
            if (service, operation) not in CALLS:
                yield service, operation


def has(schema, path):
    """Whether the CRD has that field."""
    for name in path.split("."):
        schema = schema.get("items", schema).get("properties", {}).get(name)
        if schema is None:
            return False
    return True


def by_name(service, operation, side, path):
    """Where the CRD has the field, if it has it under AWS's own name."""
    small = ".".join(name[:1].lower() + name[1:] for name in path.split("."))
    return f"{CALLS[service, operation] if side == 'request' else 'status'}.{small}"


def rows(table):
    for line in pathlib.Path(table).read_text().splitlines():
        if line and not line.startswith("#"):
            row = ROW.fullmatch(line)
            yield line, row and row.groups()


def problems(botocore, schema, table):
    table = list(rows(table))
    used = set()

    def listed(service, operation, side, path):
        """The row about a field, or about an operation."""
        for line, row in table:
            if row and row[0] == service and row[1] in (operation, "*") and row[2:4] == (side, path):
                used.add(line)
                return row
        return None

    for field in fields(botocore):
        own = by_name(*field)
        row = listed(*field)
        if has(schema, own):
            if row:
                yield f"{' '.join(field)}: it is {own} of the CRD, so the table must not have it"
        elif not row:
            yield f"{' '.join(field)}: neither in the CRD ({own}) nor in the table"
        elif row[4] and not has(schema, row[4]):
            yield f"{' '.join(field)}: the CRD has no {row[4]}"
    for service, operation in others(botocore):
        if not listed(service, operation, None, None):
            yield f"{service} {operation}: neither called nor in the table"
    for service in WITHOUT_MODEL:
        for line, row in table:
            if row and row[0] == service:
                used.add(line)
                if row[1] in model(botocore, service)["operations"]:
                    yield f"{service} {row[1]}: there is a model of it now: read it here"
        if not any(row and row[0] == service for _, row in table):
            yield f"{service}: the table must name the call that no model has"
    for line, row in table:
        if not row:
            yield f"{line}: not a row"
        elif line not in used:
            yield f"{line}: no field and no operation is meant by it"


def schema(crds):
    for crd in yaml.safe_load_all(pathlib.Path(crds).read_text()):
        if crd["spec"]["names"]["kind"] == "RefreshableCredential":
            return crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    sys.exit(f"{crds} has no RefreshableCredential")


botocore, crds, table = sys.argv[1:]
botocore = pathlib.Path(botocore)
print(
    json.dumps(
        {
            "fields": len(list(fields(botocore))),
            "problems": list(problems(botocore, schema(crds), table)),
        }
    )
)
