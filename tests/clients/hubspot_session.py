"""An unmodified hubspot-api-client session through the proxy: base URL and token, nothing else.

Prints one JSON object a line: what the program did and what it saw.
usage: hubspot_session.py BASE_URL TOKEN BLANK_COMPANY FILLED_COMPANY DEAL
"""
import json
import sys

from hubspot import HubSpot
from hubspot.crm.companies import (
    BatchInputSimplePublicObjectBatchInput, PublicObjectSearchRequest, SimplePublicObjectInput,
)
from hubspot.crm import companies, deals

BASE, TOKEN, BLANK, FILLED, DEAL = sys.argv[1:6]


def say(step, **seen):
    print(json.dumps({"step": step, **seen}))


def raised(step, call):
    try:
        say(step, returned=repr(call())[:80])
    except (companies.exceptions.ApiException, deals.exceptions.ApiException) as error:
        say(step, raised=type(error).__name__, status=error.status, text=str(error),
            body=json.loads(error.body))


client = HubSpot(access_token=TOKEN, host=BASE, base_url=BASE)
api = client.crm.companies.basic_api

say("get", name=api.get_by_id(BLANK, properties=["name"]).properties["name"])
say("list", rows=len(api.get_page(limit=3).results))
found = client.crm.companies.search_api.do_search(
    public_object_search_request=PublicObjectSearchRequest(limit=2, properties=["name"]))
say("search", rows=len(found.results))
done = api.update(BLANK, SimplePublicObjectInput(properties={"industry": "COMPUTER_SOFTWARE"}))
say("update", value=done.properties["industry"])
raised("filled", lambda: api.update(FILLED, SimplePublicObjectInput(properties={"industry": "RETAIL"})))
raised("denied", lambda: client.crm.deals.basic_api.update(
    DEAL, deals.SimplePublicObjectInput(properties={"amount": "5"})))
raised("archive", lambda: api.archive(FILLED))
raised("batch", lambda: client.crm.companies.batch_api.update(
    BatchInputSimplePublicObjectBatchInput(inputs=[
        {"id": BLANK, "properties": {"numberofemployees": "12"}},
        {"id": FILLED, "properties": {"industry": "RETAIL"}},
    ])))
raised("opaque", lambda: client.api_request(
    {"method": "POST", "path": "/automation/v4/flows", "body": {"name": "x"}}).status_code)
