"""What both programs with simple-salesforce do, once they have a client."""
from simple_salesforce import exceptions

from steps import serve, version


def names(result):
    return [record["Name"] for record in result["records"]]


def batch(sf, deals, text):
    records = [{"attributes": {"type": "Opportunity"}, "id": id, "NextStep": text} for id in deals]
    body = {"allOrNone": False, "records": records}
    return [done["success"] for done in sf.restful("composite/sobjects", method="PATCH", json=body)]


def serve_with(sf, **more):
    serve(version("simple-salesforce") | {
        "read": lambda id: sf.Account.get(id)["Name"],
        "query": lambda: names(sf.query("SELECT Name FROM Account ORDER BY Name LIMIT 3")),
        "pages": lambda: names(sf.query_all("SELECT Name FROM Account ORDER BY Name")),
        "create": lambda subject: sf.Task.create({"Subject": subject})["id"],
        "update": lambda deal, text: sf.Opportunity.update(deal, {"NextStep": text}) == 204,
        "batch": lambda one, two, text: batch(sf, (one, two), text),
        "delete": lambda task: sf.Task.delete(task) == 204,
        "denied": lambda deal: sf.Opportunity.update(deal, {"Amount": 5}),
        "held": lambda deal, stage: sf.Opportunity.update(deal, {"StageName": stage}) == 204,
    } | more, exceptions.SalesforceError)
