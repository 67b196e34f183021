"""Runs the steps of a session one at a time, so that whoever drives it can look at the CRM in between.

A line on standard input names a step and its arguments; the answer is one JSON object on standard output:
what the program got, or the exception that its user would have seen.
"""
import json
import sys
import traceback
from importlib import metadata


def serve(steps, errors):
    """Until standard input ends. `errors` are the exceptions that the SDK is known for; any other ends the session."""
    for line in sys.stdin:
        name, *arguments = line.split()
        try:
            seen = {"returned": steps[name](*arguments)}
        except errors as error:
            status = getattr(error, "status", None) or getattr(error, "status_code", None)
            seen = {"raised": type(error).__name__, "status": status, "text": str(error),
                    "traceback": "".join(traceback.format_exception_only(error)),
                    "module": type(error).__module__}
        print(json.dumps(seen), flush=True)


def version(package):
    """The step that tells which version of the client this is."""
    return {"version": lambda: metadata.version(package)}
