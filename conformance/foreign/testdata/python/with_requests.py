"""requests: reads one request from standard input, writes one outcome."""

import json
import sys

import requests

request = json.load(sys.stdin)
session = requests.Session()
session.trust_env = False
session.verify = request["ca"]
if request["cert"]:
    session.cert = (request["cert"], request["key"])

if request["token"]:
    response = session.get(
        request["api"], headers={"Authorization": "Bearer " + request["token"]}, timeout=20
    )
else:
    form = {"grant_type": "client_credentials", "client_id": request["client_id"]}
    response = session.post(request["token_endpoint"], data=form, timeout=20)

said = ""
try:
    response.raise_for_status()
except requests.HTTPError as error:
    said = "HTTPError: " + str(error).partition(" for url")[0]
json.dump({"status": response.status_code, "body": response.text, "said": said}, sys.stdout)
