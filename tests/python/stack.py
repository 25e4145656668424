"""Deploys a CloudFormation template, and prints what became of it as JSON: stack.py <endpoint> <region> <file>"""

import json
import sys

import boto3
from botocore.exceptions import WaiterError

endpoint, region, file = sys.argv[1:]
client = boto3.client("cloudformation", endpoint_url=endpoint, region_name=region)
with open(file, encoding="utf-8") as template:
    client.create_stack(StackName="trust", TemplateBody=template.read(), Capabilities=["CAPABILITY_NAMED_IAM"])
try:
    client.get_waiter("stack_create_complete").wait(StackName="trust", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
except WaiterError:
    pass
stack = client.describe_stacks(StackName="trust")["Stacks"][0]
events = client.describe_stack_events(StackName="trust")["StackEvents"]
reasons = [f"{e['LogicalResourceId']}: {e['ResourceStatusReason']}" for e in events if "ResourceStatusReason" in e]
json.dump({"status": stack["StackStatus"], "reasons": reasons}, sys.stdout)
