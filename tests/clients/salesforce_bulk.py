"""An unmodified simple-salesforce program that loads records by the first bulk API, in one go.

Arguments: the instance's URL and a session id. Prints what each call returned, as JSON."""

import json
import sys

from simple_salesforce import Salesforce

url, session = sys.argv[1:3]
salesforce = Salesforce(instance_url=url, session_id=session)
accounts = salesforce.bulk.Account

told = {}
told["insert"] = accounts.insert([{"Name": "Loaded one"}, {"Name": "Loaded two"}], batch_size=1)
ids = [result["id"] for result in told["insert"]]
told["update"] = accounts.update(
    [{"Id": ids[0], "Industry": "Retail"}, {"Id": ids[1], "NumberOfEmployees": "many"}]
)
told["upsert"] = accounts.upsert([{"Ext_Id__c": "l-1", "Name": "Loaded three"}], "Ext_Id__c")
told["delete"] = accounts.delete([{"Id": ids[1]}])
try:
    accounts.update([{"Id": ids[0], "ParentId": ids[0]}])
    told["denied"] = None
except Exception as error:
    told["denied"] = [type(error).__name__, str(error)]
print(json.dumps(told))
