"""The MCP server, as the official Python client finds it: in both eras of the
protocol, over HTTP and over standard input and output.

FOOTNOTE_URL and FOOTNOTE_KEY name a running server and a credential for it;
FOOTNOTE_BIN and FOOTNOTE_DATA_DIR a program and a data folder. Where a pair is
not set, its half is left out. The documents are those of fixtures/kb.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx2
from jsonschema import validate
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
# What the client calls the eras, and the versions that they come to.
ERAS = {"2026-07-28": "2026-07-28", "auto": "2026-07-28", "legacy": "2025-11-25"}
TOOLS = ["search", "fetch", "ask", "list_collections"]
# Seconds that a whole run may take.
LIMIT = 600


def golden(wanted: str) -> dict:
    """A question of the fixtures by its id."""
    lines = (FIXTURES / "golden.jsonl").read_text(encoding="utf-8").splitlines()
    return next(entry for entry in map(json.loads, lines) if entry["id"] == wanted)


def folded(text: str) -> str:
    return " ".join(text.split())


async def called(client: Client, tools: dict, name: str, **arguments) -> dict:
    """What a tool gives: the same as text and as structure, and as it was said."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result
    assert [content.type for content in result.content] == ["text"], result
    assert json.loads(result.content[0].text) == result.structured_content, result
    validate(result.structured_content, tools[name].output_schema)
    return result.structured_content


async def refused(client: Client, name: str, **arguments) -> str:
    """What the model is told of a call that fails."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, result
    return result.content[0].text


async def look_around(client: Client) -> None:
    """Everything that the server offers, once."""
    listed = (await client.list_tools()).tools
    assert [tool.name for tool in listed] == TOOLS, listed
    assert all(tool.annotations.read_only_hint for tool in listed), listed
    tools = {tool.name: tool for tool in listed}
    known, unknown = golden("a062"), golden("u012")

    collections = await called(client, tools, "list_collections")
    assert collections["collections"], "ingest fixtures/kb first"

    found = await called(client, tools, "search", query=known["question"], limit=5)
    assert 1 <= len(found["results"]) <= 5, found
    hit = found["results"][0]
    assert all(isinstance(hit[key], str) and hit[key] for key in ("id", "title", "url", "snippet")), hit
    passage = await called(client, tools, "fetch", id=hit["id"])
    assert passage["id"] == hit["id"] and passage["text"].startswith(hit["snippet"].rstrip("…")), passage
    document = await called(client, tools, "fetch", id=passage["metadata"]["document_id"])
    assert passage["text"] in document["text"], document["title"]

    answer = await called(client, tools, "ask", question=known["question"])
    assert answer["grounded"] and answer["citations"], answer
    assert any("6 Nm" in folded(citation["quote"]) for citation in answer["citations"]), answer
    for citation in answer["citations"]:
        place = f"{citation['revision_id']}:{citation['start']}-{citation['end']}"
        cited = await called(client, tools, "fetch", id=place)
        assert cited["text"] == citation["quote"], (cited, citation)
    answer = await called(client, tools, "ask", question=unknown["question"])
    assert not answer["grounded"], answer

    assert await refused(client, "fetch", id="nothing") == "no such document"
    assert "query" in await refused(client, "search")
    assert "nowhere" in await refused(client, "search", query="a", collection="nowhere")

    resources = (await client.list_resources()).resources
    assert resources and all(resource.uri.startswith("kb://") for resource in resources), resources
    contents = (await client.read_resource(resources[0].uri)).contents
    assert contents[0].text, contents
    templates = (await client.list_resource_templates()).resource_templates
    assert templates[0].uri_template == "kb://{collection}/{document_id}", templates
    prompts = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in prompts] == ["answer_with_citations"], prompts
    prompt = await client.get_prompt("answer_with_citations", {"question": known["question"]})
    assert known["question"] in prompt.messages[0].content.text, prompt


def http(key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=120, trust_env=False)


async def over_http(url: str, key: str) -> None:
    for era, version in ERAS.items():
        async with http(key) as door, Client(streamable_http_client(f"{url}/mcp", http_client=door), mode=era) as client:
            assert client.protocol_version == version, client.protocol_version
            await look_around(client)
        print(f"ok: HTTP, {era}")
    await with_a_bad_key(url)
    print("ok: HTTP, a bad key")


async def with_a_bad_key(url: str) -> None:
    """An error of the client's own kind, and a way to a better key."""
    for era in ERAS:
        try:
            async with http("wrong") as door:
                async with Client(streamable_http_client(f"{url}/mcp", http_client=door), mode=era) as client:
                    await client.list_tools()
        except* MCPError as errors:
            assert "Traceback" not in str(errors.exceptions), errors
        else:
            raise AssertionError(f"a bad key is taken: {era}")
    async with http("wrong") as door:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        reply = await door.post(f"{url}/mcp", json=ping, headers={"accept": "application/json, text/event-stream"})
        assert reply.status_code == 401, reply
        assert reply.json()["error"]["code"].startswith("unauthorized:"), reply.text
        challenge = reply.headers["www-authenticate"]
        assert challenge.startswith("Bearer ") and 'scope="' in challenge, challenge
        metadata = challenge.split('resource_metadata="')[1].split('"')[0]
        told = (await door.get(metadata)).json()
        assert told["resource"] == f"{url}/mcp" and "header" in told["bearer_methods_supported"], told


async def over_stdio(program: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("FOOTNOTE_")}
    for era, version in ERAS.items():
        server = StdioServerParameters(command=program, args=["mcp"], env=environment)
        # The service starts with the program: the client's probe may not wait that long.
        versions = set(ERAS.values()) if era == "auto" else {version}
        async with Client(server, mode=era) as client:
            assert client.protocol_version in versions, client.protocol_version
            await look_around(client)
        print(f"ok: standard input and output, {era}")


async def main() -> int:
    url, key = os.environ.get("FOOTNOTE_URL"), os.environ.get("FOOTNOTE_KEY")
    program, data = os.environ.get("FOOTNOTE_BIN"), os.environ.get("FOOTNOTE_DATA_DIR")
    if not (url and key) and not (program and data):
        print(__doc__, file=sys.stderr)
        return 2
    async with asyncio.timeout(LIMIT):
        if url and key:
            await over_http(url.rstrip("/"), key)
        if program and data:
            await over_stdio(program)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
