"""simple-salesforce with a session id, as anybody would use it."""
import os

from simple_salesforce import Salesforce

from simple_salesforce_steps import serve_with

BASE, TOKEN = os.environ["BASE"], os.environ["TOKEN"]

sf = Salesforce(session_id=TOKEN, instance_url=BASE)  # changed

serve_with(sf)
