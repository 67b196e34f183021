"""simple-salesforce with a session id, as anybody would use it: see README.md for what each step is."""
import os

from simple_salesforce import Salesforce, exceptions

from steps import serve, version

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]

sf = Salesforce(session_id=TOKEN, instance_url=BASE)  # changed


def names(result):
    return [record["Name"] for record in result["records"]]


def batch(one, two, text):
    records = [{"attributes": {"type": "Opportunity"}, "id": id, "NextStep": text} for id in (one, two)]
    body = {"allOrNone": False, "records": records}
    return [done["success"] for done in sf.restful("composite/sobjects", method="PATCH", json=body)]


serve(version("simple-salesforce") | {
    "read": lambda id: sf.Account.get(id)["Name"],
    "query": lambda: names(sf.query("SELECT Name FROM Account ORDER BY Name LIMIT 3")),
    "pages": lambda: names(sf.query_all("SELECT Name FROM Account ORDER BY Name")),
    "create": lambda subject: sf.Task.create({"Subject": subject})["id"],
    "update": lambda deal, text: sf.Opportunity.update(deal, {"NextStep": text}) == 204,
    "batch": batch,
    "delete": lambda task: sf.Task.delete(task) == 204,
    "denied": lambda deal: sf.Opportunity.update(deal, {"Amount": 5}),
    "held": lambda deal, stage: sf.Opportunity.update(deal, {"StageName": stage}) == 204,
}, exceptions.SalesforceError)
