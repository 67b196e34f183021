"""hubspot-api-client with a token. `host` moves the typed calls, `base_url` moves `api_request`."""
import os

from hubspot import HubSpot
from hubspot.crm import companies, deals, objects

from steps import serve, version

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]

client = HubSpot(access_token=TOKEN, host=BASE, base_url=BASE)  # changed


def names(found):
    return [each.properties["name"] for each in found]


def query():
    sorts, filters = ["name"], [{"propertyName": "lifecyclestage", "operator": "EQ", "value": "customer"}]
    request = companies.PublicObjectSearchRequest(
        limit=3, properties=["name"], query="", filter_groups=[{"filters": filters}], sorts=sorts)
    return names(client.crm.companies.search_api.do_search(public_object_search_request=request).results)


def pages():
    first = client.crm.companies.basic_api.get_page(limit=4, properties=["name"])
    rest = client.crm.companies.basic_api.get_page(limit=4, properties=["name"], after=first.paging.next.after)
    return names(first.results + rest.results)


def create(text):
    note = {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_note_body": text}
    made = objects.SimplePublicObjectInputForCreate(properties=note, associations=[])
    return client.crm.objects.basic_api.create("notes", made).id


def update(deal, **properties):
    given = deals.SimplePublicObjectInput(properties=properties)
    return client.crm.deals.basic_api.update(deal, given).properties.items() >= properties.items()


def batch(one, two, text):
    inputs = [{"id": id, "properties": {"description": text}} for id in (one, two)]
    body = deals.BatchInputSimplePublicObjectBatchInput(inputs=inputs)
    done = client.crm.deals.batch_api.update(body).results
    return [each.properties["description"] == text for each in done]


serve(version("hubspot-api-client") | {
    "read": lambda id: client.crm.companies.basic_api.get_by_id(id, properties=["name"]).properties["name"],
    "query": query,
    "pages": pages,
    "untyped": lambda: str(client.api_request({"path": "/crm/v3/owners"}).status_code),
    "create": create,
    "update": lambda deal, text: update(deal, description=text),
    "batch": batch,
    "delete": lambda note: client.crm.objects.basic_api.archive("notes", note) is None,
    "denied": lambda deal: update(deal, amount="5"),
    "held": lambda deal, stage: update(deal, dealstage=stage),
}, tuple(part.exceptions.ApiException for part in (companies, deals, objects)))
