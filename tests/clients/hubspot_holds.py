"""Moves deals on with hubspot-api-client, as anybody would without a proxy: host, base_url and token.

usage: hubspot_holds.py BASE_URL ENRICHMENT_TOKEN SDR_TOKEN
"""
import sys

from hubspot import HubSpot
from hubspot.crm import companies, contacts, deals

from steps import serve

BASE, _, SDR = sys.argv[1:]
client = HubSpot(access_token=SDR, host=BASE, base_url=BASE)


def stage(id, stage):
    deal = deals.SimplePublicObjectInput(properties={"dealstage": stage})
    return client.crm.deals.basic_api.update(id, deal).properties["dealstage"]


def score(id, score):
    company = companies.SimplePublicObjectInput(properties={"ai_score": score})
    return client.crm.companies.basic_api.update(id, company).properties["ai_score"]


def lead(name):
    properties = {"lastname": name, "email": f"{name.lower()}@navy.example"}
    contact = contacts.SimplePublicObjectInputForCreate(properties=properties, associations=[])
    return client.crm.contacts.basic_api.create(contact).properties["lastname"]


def batch(one, two, stage):
    """A harmless property of one deal, the stage of another one."""
    inputs = [{"id": one, "properties": {"description": "Call procurement"}},
              {"id": two, "properties": {"dealstage": stage}}]
    return client.crm.deals.batch_api.update(deals.BatchInputSimplePublicObjectBatchInput(inputs=inputs)).status


serve({"stage": stage, "score": score, "lead": lead, "batch": batch},
      tuple(part.exceptions.ApiException for part in (companies, contacts, deals)))
