"""An unmodified simple-salesforce session through the proxy: session id and instance_url, nothing else.

usage: salesforce_session.py BASE_URL ENRICHMENT_TOKEN SDR_TOKEN
"""
import sys

from simple_salesforce import Salesforce, exceptions

from steps import serve

BASE, ENRICHMENT, SDR = sys.argv[1:]


def session(token):
    return Salesforce(session_id=token, instance_url=BASE)


enrichment, sdr, stranger = session(ENRICHMENT), session(SDR), session("00Dxx!nobody-knows-this-token")


def names(result):
    return [record["Name"] for record in result["records"]]


def describe():
    fields = {field["name"]: field["type"] for field in enrichment.Account.describe()["fields"]}
    return {name: fields[name] for name in ("Name", "Industry", "NumberOfEmployees")}


def changed(session, **fields):
    """A collection update with these fields of these records."""
    records = [{"attributes": {"type": "Account"}, "id": id, **values} for id, values in fields.items()]
    body = {"allOrNone": False, "records": records}
    return session.restful("composite/sobjects", method="PATCH", json=body)


def tasks(how_many):
    records = [{"attributes": {"type": "Task"}, "Subject": f"Call {n}"} for n in range(int(how_many))]
    made = sdr.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": records})
    return sum(result["success"] for result in made)


serve({
    "get": lambda id: enrichment.Account.get(id)["Name"],
    "query": lambda: names(enrichment.query("SELECT Id, Name FROM Account ORDER BY Name LIMIT 3")),
    "pages": lambda: names(enrichment.query_all("SELECT Id, Name FROM Account ORDER BY Name")),
    "search": lambda: [found["Id"] for found in enrichment.quick_search("Globex")["searchRecords"]],
    "describe": describe,
    "describe_all": lambda: sorted(object["name"] for object in enrichment.describe()["sobjects"]),
    "missing": lambda: enrichment.Account.get("001Wg0000000999IAA"),
    "fill": lambda id: enrichment.Account.update(id, {"Industry": "Software"}),
    "read_back": lambda id: enrichment.Account.get(id)["Industry"],
    "score": lambda id, score: enrichment.Account.update(id, {"AI_Score__c": int(score)}),
    "upsert": lambda key: enrichment.Account.upsert(f"Ext_Id__c/{key}", {"AI_Summary__c": "Makes rockets."}),
    "next_step": lambda id: sdr.Opportunity.update(id, {"NextStep": "Call procurement"}),
    "task": lambda: sdr.Task.create({"Subject": "Call Acme"})["success"],
    "batch": lambda one, two: [result["success"] for result in changed(
        enrichment, **{one: {"AI_Score__c": 7}, two: {"AI_Score__c": 8}})],
    "overwrite": lambda id: enrichment.Account.update(id, {"Industry": "Retail"}),
    "amount": lambda id: sdr.Opportunity.update(id, {"Amount": 5, "NextStep": "Call procurement"}),
    "stage": lambda id: sdr.Opportunity.update(id, {"StageName": "Qualification"}),
    "bad_row": lambda blank, filled: changed(
        enrichment, **{blank: {"NumberOfEmployees": 12}, filled: {"Industry": "Retail"}}),
    "delete": lambda id: enrichment.Account.delete(id),
    "unknown_record": lambda: enrichment.Account.update("001Wg0000000999IAA", {"Industry": "Software"}),
    "composite": lambda: enrichment.restful("connect/unheard-of", method="POST", json={}),
    "apex": lambda: enrichment.apexecute("scoring/run", method="POST", data={"all": True}),
    "bulk": lambda id: enrichment.bulk.Account.update([{"Id": id, "Industry": "Retail"}]),
    "twice": lambda id: enrichment.restful(
        f"sobjects/Account/{id}", method="PATCH", data='{"Industry": "Software", "industry": "Retail"}'),
    "stranger": lambda id: stranger.Account.update(id, {"AI_Score__c": 1}),
    "tasks": tasks,
}, exceptions.SalesforceError)
