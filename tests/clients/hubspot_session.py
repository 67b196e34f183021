"""An unmodified hubspot-api-client session through the proxy: base URL and token, nothing else.

`host` moves the typed calls, `base_url` moves `api_request`.
usage: hubspot_session.py BASE_URL ENRICHMENT_TOKEN SDR_TOKEN
"""
import sys

from hubspot import HubSpot
from hubspot.crm import companies, deals, objects, pipelines, properties

from steps import serve

BASE, ENRICHMENT, SDR = sys.argv[1:]


def client(token):
    return HubSpot(access_token=token, host=BASE, base_url=BASE)


enrichment, sdr, stranger = client(ENRICHMENT), client(SDR), client("nobody-knows-this-token")
company = enrichment.crm.companies.basic_api
deal = sdr.crm.deals.basic_api


def names(results):
    return [result.properties["name"] for result in results]


def search():
    request = companies.PublicObjectSearchRequest(
        limit=2, properties=["name"], query="",
        filter_groups=[{"filters": [{"propertyName": "lifecyclestage", "operator": "EQ", "value": "customer"}]}],
        sorts=["name"])
    found = enrichment.crm.companies.search_api.do_search(public_object_search_request=request)
    request.after = found.paging.next.after
    more = enrichment.crm.companies.search_api.do_search(public_object_search_request=request)
    return names(found.results) + names(more.results)


def pages():
    first = company.get_page(limit=4, properties=["name"])
    second = company.get_page(limit=4, properties=["name"], after=first.paging.next.after)
    return [names(first.results), names(second.results)]


def describe():
    wanted = ("name", "industry", "numberofemployees")
    found = {each.name: each.type for each in enrichment.crm.properties.core_api.get_all("companies").results}
    return {name: found[name] for name in wanted}


def company_with(id, **values):
    return company.update(id, companies.SimplePublicObjectInput(properties=values)).properties


def deal_with(id, **values):
    return deal.update(id, deals.SimplePublicObjectInput(properties=values)).properties


def batch(**rows):
    inputs = [{"id": id, "properties": values} for id, values in rows.items()]
    done = enrichment.crm.companies.batch_api.update(
        companies.BatchInputSimplePublicObjectBatchInput(inputs=inputs))
    return done.status


def untyped(path, body):
    answer = enrichment.api_request({"method": "POST", "path": path, "body": body})
    return [answer.status_code, answer.json()["category"], answer.json()["message"]]


def notes(how_many):
    inputs = [{"properties": {"hs_timestamp": "2026-11-20T09:00:00Z", "hs_note_body": f"Call {n}"}, "associations": []}
              for n in range(int(how_many))]
    made = sdr.crm.objects.batch_api.create(
        "notes", objects.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs))
    return len(made.results)


serve({
    "get": lambda id: company.get_by_id(id, properties=["name"]).properties["name"],
    "list": lambda: names(company.get_page(limit=3, properties=["name"]).results),
    "pages": pages,
    "all": lambda: names(enrichment.crm.companies.get_all(properties=["name"])),
    "search": search,
    "describe": describe,
    "owners": lambda: [owner.email for owner in enrichment.crm.owners.owners_api.get_page().results],
    "missing": lambda: company.get_by_id("52000000999"),
    "fill": lambda id: company_with(id, industry="COMPUTER_SOFTWARE")["industry"],
    "read_back": lambda id: company.get_by_id(id, properties=["industry"]).properties["industry"],
    "score": lambda id, score: company_with(id, ai_score=score)["ai_score"],
    "describe_deal": lambda id: deal_with(id, description="Call procurement")["description"],
    "batch": lambda one, two: batch(**{one: {"ai_score": "7"}, two: {"ai_score": "8"}}),
    "overwrite": lambda id: company_with(id, industry="RETAIL"),
    "amount": lambda id: deal_with(id, amount="5", description="Call procurement"),
    "stage": lambda id: deal_with(id, dealstage="qualifiedtobuy"),
    "bad_row": lambda blank, filled: batch(
        **{blank: {"numberofemployees": "12"}, filled: {"industry": "RETAIL"}}),
    "archive": lambda id: company.archive(id),
    "unknown_record": lambda: company_with("52000000999", industry="RETAIL"),
    "pipeline": lambda: enrichment.crm.pipelines.pipelines_api.archive("deals", "default"),
    "flow": lambda: untyped("/automation/v4/flows", {"name": "x"}),
    "stranger": lambda id: stranger.crm.companies.basic_api.update(
        id, companies.SimplePublicObjectInput(properties={"ai_score": "1"})),
    "notes": notes,
}, tuple(part.exceptions.ApiException for part in (companies, deals, objects, pipelines, properties)))
