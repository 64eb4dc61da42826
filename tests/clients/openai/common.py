"""What the Python clients share: where the service is, and what is asked.

FOOTNOTE_URL and FOOTNOTE_KEY name it; FOOTNOTE_COLLECTION the collection that
holds fixtures/kb."""

import os
import re
import sys

URL = os.environ["FOOTNOTE_URL"].rstrip("/") + "/v1"
KEY = os.environ["FOOTNOTE_KEY"]
WRONG_KEY = "fn_not_a_key"
COLLECTION = os.environ.get("FOOTNOTE_COLLECTION", "default")
MODEL = f"kb/{COLLECTION}"
QUESTION = "How long can I use a return number before it runs out?"


def check(fits, what):
    """Ends the run when something is not as it should be."""
    if not fits:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}")


def check_cited(text):
    """An answer has words, and markers of citations in them."""
    check(len(text) > 20, f"an answer of {len(text)} characters")
    check(re.search(r"\[\d+\]", text), "a marker of a citation in the text")
