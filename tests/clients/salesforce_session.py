"""An unmodified simple-salesforce session through the proxy: session id + instance_url, nothing else.

Prints one JSON object a line: what the program did and what it saw.
usage: salesforce_session.py BASE_URL TOKEN
"""
import json
import sys

from simple_salesforce import Salesforce, exceptions

BLANK, FILLED, OPPORTUNITY = sys.argv[3:6]


def say(step, **seen):
    print(json.dumps({"step": step, **seen}))


def raised(step, call):
    try:
        say(step, returned=repr(call()))
    except exceptions.SalesforceError as error:
        say(step, raised=type(error).__name__, status=error.status, text=str(error))


sf = Salesforce(session_id=sys.argv[2], instance_url=sys.argv[1])

say("get", name=sf.Account.get(BLANK)["Name"])
say("describe", fields=len(sf.Account.describe()["fields"]) > 5)
say("query", rows=sf.query("SELECT Id, Name FROM Account ORDER BY Name LIMIT 3")["totalSize"])
say("update", status=sf.Account.update(BLANK, {"Industry": "Software"}))
say("updated", value=sf.Account.get(BLANK)["Industry"])
raised("denied", lambda: sf.Opportunity.update(OPPORTUNITY, {"Amount": 5, "NextStep": "call"}))
raised("filled", lambda: sf.Account.update(FILLED, {"Industry": "Retail"}))
raised("delete", lambda: sf.Account.delete(FILLED))
raised("unknown_record", lambda: sf.Account.update("001000000000XyzAAA"[:15] , {"Industry": "x"}))
raised("opaque", lambda: sf.restful("composite", method="POST", data=json.dumps({"compositeRequest": []})))
raised("batch", lambda: sf.bulk2 and sf.restful(
    "composite/sobjects", method="PATCH",
    data=json.dumps({"allOrNone": False, "records": [
        {"attributes": {"type": "Account"}, "id": BLANK, "NumberOfEmployees": 12},
        {"attributes": {"type": "Account"}, "id": FILLED, "Industry": "Retail"},
    ]})))
