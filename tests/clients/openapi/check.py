"""Every route as the OpenAPI document tells of it, tried with what it allows and
with what it does not: no reply may be a failure of the service, have a status
or a type that is not described, or break its schema.

FOOTNOTE_URL names a running server, FOOTNOTE_KEY a credential for it, and
FOOTNOTE_ADMIN_KEY one with the scope `admin`. Cases follow from the seed. Names
of paths such as `/api/v1/search` may be given, to try those alone.
"""

import os
import sys
import tempfile

import requests
import schemathesis
from hypothesis import strategies
from schemathesis import HookContext
from schemathesis.cli import schemathesis as command

SEED = 20260101
# Cases of a route in the random phase, at most. The phase of boundary values has
# as many as the route has boundaries.
EXAMPLES = 6
# Seconds for one reply.
PATIENCE = 30
CHECKS = "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance"
# What cannot be called blindly, and why.
LEFT_OUT = {
    "post_admin_reembed": "a step would change over the index that all other routes search",
}
# Where the key must be an administrator's.
ADMINS = ("/api/v1/admin/", "/api/v1/schedules", "/metrics")


class Service:
    """A running server, and something in it for each kind of id."""

    def __init__(self) -> None:
        self.url = os.environ["FOOTNOTE_URL"].rstrip("/")
        self.key = os.environ["FOOTNOTE_KEY"]
        self.admin_key = os.environ["FOOTNOTE_ADMIN_KEY"]

    def bearer(self, path: str) -> str:
        return f"Bearer {self.admin_key if path.startswith(ADMINS) else self.key}"

    def made(self, path: str, body: dict) -> dict:
        """What a POST that must succeed gives."""
        headers = {"authorization": self.bearer(path)}
        reply = requests.post(self.url + path, json=body, headers=headers, timeout=PATIENCE)
        assert reply.ok, (path, reply.status_code, reply.text)
        return reply.json()

    def got(self, path: str) -> dict:
        reply = requests.get(self.url + path, headers={"authorization": self.bearer(path)}, timeout=PATIENCE)
        assert reply.ok, (path, reply.status_code, reply.text)
        return reply.json()

    def furnish(self, purpose: str) -> dict[str, str]:
        """One thing of each kind, by the place in a path that names it."""
        name = f"openapi-{purpose}-{os.getpid()}"
        collection = self.made("/api/v1/collections", {"name": name})["id"]
        text = {"key": "pump", "text": "The pump of the P4 holds a pressure of 4 bar."}
        document = self.made(f"/api/v1/collections/{collection}/documents", text)["documents"][0]["id"]
        conversation = self.made("/api/v1/conversations", {"title": purpose})["id"]
        messages = f"/api/v1/conversations/{conversation}/messages"
        answer = self.made(messages, {"content": "What pressure does the pump hold?", "collections": [collection]})
        schedule = {"name": name, "cron": "0 3 1 1 *", "action": "check"}
        account = {"name": name, "password": "correct horse battery staple"}
        return {
            "collections": collection,
            "documents": document,
            "conversations": conversation,
            "messages": answer["id"],
            "schedules": self.made("/api/v1/schedules", schedule)["id"],
            "users": self.made("/api/v1/admin/users", account)["id"],
            "me": self.got("/api/v1/me")["id"],
        }


def known(things: dict[str, str], path: str) -> dict[str, str]:
    """What of the things stands where in a path: `{id}` follows its kind."""
    parts = path.split("/")
    places = {}
    for before, part in zip(parts, parts[1:]):
        if part.startswith("{"):
            name = part.strip("{*}")
            kind = "me" if (before, name) == ("api", "user_id") else before
            if kind in things:
                places[name] = things[kind]
    return places


def main(only: list[str]) -> int:
    service = Service()
    # What is deleted is of no use to others.
    lasting, passing = service.furnish("lasting"), service.furnish("passing")

    @schemathesis.hook
    def flatmap_path_parameters(context: HookContext, parameters: dict):
        """Ids at random name nothing: most cases get those of something."""
        operation = context.operation
        things = passing if operation.method.upper() == "DELETE" else lasting
        named = {**(parameters or {}), **known(things, operation.path)}
        if not parameters or named == parameters:
            return strategies.just(parameters)
        return strategies.sampled_from([named, named, parameters])

    @schemathesis.hook
    def before_call(context: HookContext, case: schemathesis.Case, kwargs: dict) -> None:
        case.headers["Authorization"] = service.bearer(case.operation.path)

    arguments = ["run", f"{service.url}/openapi.json", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"]
    arguments += ["--seed", str(SEED), "--max-examples", str(EXAMPLES), "--generation-database", "none"]
    arguments += ["--request-timeout", str(PATIENCE), "--continue-on-failure", "--no-color", "--warnings", "off"]
    for path in only:
        arguments += ["--include-path", path]
    for operation in LEFT_OUT:
        arguments += ["--exclude-operation-id", operation]
    return command.main(arguments, standalone_mode=False) or 0


if __name__ == "__main__":
    # What it leaves behind is nobody's.
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.exit(main(sys.argv[1:]))
