"""httpx: reads one request from standard input, writes one outcome."""

import json
import sys

import httpx

request = json.load(sys.stdin)
cert = (request["cert"], request["key"]) if request["cert"] else None

with httpx.Client(verify=request["ca"], cert=cert, trust_env=False, timeout=20) as client:
    if request["token"]:
        response = client.get(
            request["api"], headers={"Authorization": "Bearer " + request["token"]}
        )
    else:
        form = {"grant_type": "client_credentials", "client_id": request["client_id"]}
        response = client.post(request["token_endpoint"], data=form)

said = ""
try:
    response.raise_for_status()
except httpx.HTTPStatusError as error:
    said = "HTTPStatusError: " + str(error).partition(" for url")[0]
json.dump({"status": response.status_code, "body": response.text, "said": said}, sys.stdout)
