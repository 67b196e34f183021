"""simple-salesforce that logs in: it puts `.salesforce.com` behind the domain, which the proxy drops from the path."""
import os

from simple_salesforce import Salesforce

from simple_salesforce_steps import serve_with

USER, PASSWORD, APP, SECRET = (os.environ[name] for name in ("USER", "PASSWORD", "APP", "SECRET"))
HOST = os.environ["BASE"].removeprefix("https://")

sf = Salesforce(username=USER, password=PASSWORD, security_token="", domain=HOST + "/x")  # changed


def by_secret(id):
    """Another client of the same service account, which logs in by the secret of an app."""
    app = Salesforce(consumer_key=APP, consumer_secret=SECRET, domain=HOST + "/x")
    return app.Account.get(id)["Name"]


serve_with(sf, by_secret=by_secret)
