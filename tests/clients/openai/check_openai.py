"""The package `openai`: chat, responses, embeddings, files, vector stores."""

import openai

from common import KEY, MODEL, QUESTION, URL, WRONG_KEY, check, check_cited

client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0)
messages = [{"role": "user", "content": QUESTION}]


def check_models():
    models = [model.id for model in client.models.list()]
    check(MODEL in models, f"{MODEL} among the models")
    check(client.models.retrieve(MODEL).id == MODEL, "a model whose name holds a slash")
    return models


def check_chat():
    whole = client.chat.completions.create(model=MODEL, messages=messages)
    text = whole.choices[0].message.content
    check_cited(text)
    citations = [annotation.url_citation for annotation in whole.choices[0].message.annotations]
    check(citations, "annotations")
    for citation in citations:
        marker = text[citation.start_index : citation.end_index]
        check(marker.startswith("[") and marker.endswith("]"), f"the marker {marker} where it is said to be")
    check(whole.usage.total_tokens >= 0, "the totals")

    options = {"include_usage": True}
    chunks = list(client.chat.completions.create(model=MODEL, messages=messages, stream=True, stream_options=options))
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    check_cited(streamed)
    late = [chunk for chunk in chunks if chunk.choices and getattr(chunk.choices[0].delta, "annotations", None)]
    check(len(late) == 1, "annotations in one late delta")
    check(chunks[-1].usage is not None and not chunks[-1].choices, "the totals in the last chunk")


def check_responses():
    first = client.responses.create(model=MODEL, input=QUESTION, include=["file_search_call.results"])
    check_cited(first.output_text)
    search = next(item for item in first.output if item.type == "file_search_call")
    check(search.results and search.results[0].filename, "results of the file search")
    message = next(item for item in first.output if item.type == "message").content[0]
    check(message.annotations[0].type == "file_citation", "a citation of a file")
    check(message.text[message.annotations[0].index] == "[", "the citation where it is said to be")
    check(client.responses.retrieve(first.id).output_text == first.output_text, "the response that was kept")

    with client.responses.stream(model=MODEL, input="And why?", previous_response_id=first.id) as stream:
        kinds = [event.type for event in stream]
        second = stream.get_final_response()
    check(kinds[0] == "response.created" and kinds[-1] == "response.completed", "a stream of events")
    check(second.previous_response_id == first.id, "a response that goes on from another")
    client.responses.delete(first.id)
    try:
        client.responses.retrieve(first.id)
        check(False, "a response that was deleted")
    except openai.NotFoundError as error:
        check(error.code == "response_not_found", "a response that was deleted")


def check_embeddings(models):
    # What embeds is listed last.
    one = client.embeddings.create(model=models[-1], input="a pump")
    two = client.embeddings.create(model=models[-1], input=["a pump"], encoding_format="float")
    pairs = zip(one.data[0].embedding, two.data[0].embedding, strict=True)
    check(all(abs(a - b) < 1e-6 for a, b in pairs), "vectors in both encodings")


def check_stores():
    file = client.files.create(file=("pump.txt", b"The pump P4 is rated for 4 bar."), purpose="assistants")
    store = client.vector_stores.create(name="clients of the API")
    try:
        batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file.id])
        check(batch.status == "completed" and batch.file_counts.completed == 1, "a batch of files")
        stored = client.vector_stores.files.update(file.id, vector_store_id=store.id, attributes={"series": "P4"})
        stored = client.vector_stores.files.poll(file.id, vector_store_id=store.id)
        check(stored.status == "completed" and stored.attributes == {"series": "P4"}, "attributes of a file")
        series = {"type": "eq", "key": "series", "value": "P4"}
        found = list(client.vector_stores.search(store.id, query="pressure of the pump", filters=series))
        check(found[0].file_id == file.id and "4 bar" in found[0].content[0].text, "a search with a filter")
        check(client.files.content(file.id).read() == b"The pump P4 is rated for 4 bar.", "the bytes of a file")
        check([file.id for file in client.vector_stores.files.list(store.id)] == [file.id], "files of a store")
    finally:
        client.vector_stores.delete(store.id)
        client.files.delete(file.id)


def check_refusals():
    stranger = openai.OpenAI(base_url=URL, api_key=WRONG_KEY, max_retries=0)
    try:
        stranger.chat.completions.create(model=MODEL, messages=messages)
        check(False, "a wrong key")
    except openai.AuthenticationError as error:
        check(error.code == "invalid_api_key" and error.request_id, "a wrong key")
    try:
        client.chat.completions.create(model="kb/no such collection", messages=messages)
        check(False, "an unknown model")
    except openai.NotFoundError as error:
        check(error.code == "model_not_found" and error.param == "model", "an unknown model")


known = check_models()
check_chat()
check_responses()
check_embeddings(known)
check_stores()
check_refusals()
