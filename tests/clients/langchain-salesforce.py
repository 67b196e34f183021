"""langchain-salesforce: the tool that an agent calls, made with a client of simple-salesforce."""
import os

from langchain_salesforce import SalesforceTool
from simple_salesforce import Salesforce, exceptions

from steps import serve, version

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]

client = Salesforce(session_id=TOKEN, instance_url=BASE)  # changed
tool = SalesforceTool("", "", "", salesforce_client=client)  # changed


def names(soql):
    return [record["Name"] for record in tool.invoke({"operation": "query", "query": soql})["records"]]


def write(operation, object, id=None, **fields):
    return tool.invoke({"operation": operation, "object_name": object, "record_id": id, "record_data": fields})


serve(version("langchain-salesforce") | {
    "read": lambda id: names(f"SELECT Name FROM Account WHERE Id = '{id}'")[0],
    "query": lambda: names("SELECT Name FROM Account ORDER BY Name LIMIT 3"),
    "create": lambda subject: write("create", "Task", Subject=subject)["id"],
    "update": lambda deal, text: write("update", "Opportunity", deal, NextStep=text) == 204,
    "delete": lambda task: write("delete", "Task", task) == 204,
    "denied": lambda deal: write("update", "Opportunity", deal, Amount=5),
    "held": lambda deal, stage: write("update", "Opportunity", deal, StageName=stage) == 204,
}, exceptions.SalesforceError)
