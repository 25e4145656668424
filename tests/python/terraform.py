"""Prints the resources of a Terraform file as JSON, each policy decoded, as another implementation of HCL reads them."""

import json
import sys

import hcl2
from hcl2.utils import SerializationOptions

OPTIONS = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
BEGIN, END = "${jsonencode(", ")}"


def decoded(value):
    """What jsonencode was given, where it was."""
    if isinstance(value, str) and value.startswith(BEGIN) and value.endswith(END):
        return hcl2.loads("it = " + value[len(BEGIN) : -len(END)], serialization_options=OPTIONS)["it"]
    return value


resources = []
with open(sys.argv[1], encoding="utf-8") as file:
    for block in hcl2.load(file, serialization_options=OPTIONS)["resource"]:
        for kind, named in block.items():
            for label, body in named.items():
                body = {name: decoded(value) for name, value in body.items()}
                resources.append({"kind": kind, "label": label, "body": body})
json.dump(resources, sys.stdout)
