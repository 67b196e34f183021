"""The sf CLI with an access token, called as an agent with a shell calls it."""
import json
import os
import subprocess

from steps import serve

TOKEN = os.environ["TOKEN"]
os.environ["SF_SKIP_NEW_VERSION_CHECK"] = "true"  # or it asks the npm registry for a newer one of itself

# What stands in the shell's profile.
PROFILE = """
export SF_ORG_INSTANCE_URL=$BASE # changed
"""


class Failed(Exception):
    """What the program says when it does not end with 0."""


def sf(*words):
    """Its standard output."""
    done = subprocess.run(["bash", "-c", PROFILE + 'sf "$@"', "sf", *words], capture_output=True, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def result(*words):
    return json.loads(sf(*words, "--target-org", TOKEN, "--json"))["result"]


def names(soql):
    return [record["Name"] for record in result("data", "query", "--query", soql)["records"]]


def write(verb, object, *more):
    sf("data", verb, "record", "--sobject", object, "--target-org", TOKEN, *more)
    return True


def update(id, values):
    return write("update", "Opportunity", "--record-id", id, "--values", values)


serve({
    "version": lambda: sf("--version").split()[0].rpartition("/")[2],
    "read": lambda id: result("data", "get", "record", "--sobject", "Account", "--record-id", id)["Name"],
    "query": lambda: names("SELECT Name FROM Account ORDER BY Name LIMIT 3"),
    "pages": lambda: names("SELECT Name FROM Account ORDER BY Name"),
    "create": lambda text: write("create", "Task", "--values", f"Subject={text}"),
    "update": lambda deal, text: update(deal, f"NextStep={text}"),
    "delete": lambda task: write("delete", "Task", "--record-id", task),
    "denied": lambda deal: update(deal, "Amount=5"),
    "held": lambda deal, stage: update(deal, f"StageName={stage}"),
}, Failed)
