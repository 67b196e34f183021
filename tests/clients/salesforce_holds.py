"""Moves deals on with simple-salesforce, as anybody would without a proxy: session id and instance_url.

usage: salesforce_holds.py BASE_URL ENRICHMENT_TOKEN SDR_TOKEN
"""
import sys

from simple_salesforce import Salesforce, exceptions

from steps import serve

BASE, _, SDR = sys.argv[1:]
sf = Salesforce(session_id=SDR, instance_url=BASE)


def batch(one, two, stage):
    """A harmless field of one deal, the stage of another one."""
    records = [{"attributes": {"type": "Opportunity"}, "id": one, "NextStep": "Call procurement"},
               {"attributes": {"type": "Opportunity"}, "id": two, "StageName": stage}]
    body = {"allOrNone": False, "records": records}
    return [result["success"] for result in sf.restful("composite/sobjects", method="PATCH", json=body)]


serve({
    "stage": lambda id, stage: sf.Opportunity.update(id, {"StageName": stage}),
    "score": lambda id, score: sf.Account.update(id, {"AI_Score__c": int(score)}),
    "lead": lambda name: sf.Lead.create({"LastName": name, "Company": "Navy"})["success"],
    "batch": batch,
}, exceptions.SalesforceError)
