"""hubspot-sdk, the generated client of HubSpot's dated API. It reads HUBSPOT_BASE_URL, too."""
import os

from hubspot_sdk import APIStatusError, HubSpot

from steps import serve, version

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]

client = HubSpot(access_token=TOKEN, base_url=BASE)  # changed
objects = client.crm.objects


def names(found):
    return [each.properties["name"] for each in found]


def query():
    filters = [{"propertyName": "lifecyclestage", "operator": "EQ", "value": "customer"}]
    found = objects.companies.search(
        limit=3, after="0", properties=["name"], filter_groups=[{"filters": filters}], sorts=["name"])
    return names(found.results)


def create(text):
    note = {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_note_body": text}
    return objects.notes.create(properties=note, associations=[]).id


def update(deal, **properties):
    return objects.deals.update(deal, properties=properties).properties.items() >= properties.items()


def batch(one, two, text):
    done = objects.deals.batch.update(inputs=[{"id": id, "properties": {"description": text}} for id in (one, two)])
    return [each.properties["description"] == text for each in done.results]


serve(version("hubspot-sdk") | {
    "read": lambda id: objects.companies.get(id, properties=["name"]).properties["name"],
    "query": query,
    "pages": lambda: names(objects.companies.list(limit=4, properties=["name"])),
    "create": create,
    "update": lambda deal, text: update(deal, description=text),
    "batch": batch,
    "delete": lambda note: objects.notes.delete(note) is None,
    "denied": lambda deal: update(deal, amount="5"),
    "held": lambda deal, stage: update(deal, dealstage=stage),
}, APIStatusError)
