"""The package `langchain-openai`: a chat as a stream, and embeddings, whose
texts it sends as token ids."""

import openai
import requests
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from common import KEY, MODEL, QUESTION, URL, WRONG_KEY, check, check_cited

chat = ChatOpenAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=0)
check_cited("".join(chunk.text for chunk in chat.stream(QUESTION)))

responses = ChatOpenAI(model=MODEL, base_url=URL, api_key=KEY, max_retries=0, use_responses_api=True)
check_cited(responses.invoke(QUESTION).text)

models = [model.id for model in openai.OpenAI(base_url=URL, api_key=KEY).models.list()]
embeddings = OpenAIEmbeddings(model=models[-1], base_url=URL, api_key=KEY, max_retries=0)
texts = ["a pump", "a heron"]
try:
    vectors = embeddings.embed_documents(texts)
except requests.ConnectionError:
    # It cuts texts into token ids with a vocabulary that it fetches.
    print("not tested: token ids, for their vocabulary cannot be fetched here")
    embeddings.check_embedding_ctx_length = False
    vectors = embeddings.embed_documents(texts)
check(len(vectors) == 2 and len(vectors[0]) == len(vectors[1]), "vectors of texts")

try:
    ChatOpenAI(model=MODEL, base_url=URL, api_key=WRONG_KEY, max_retries=0).invoke(QUESTION)
    check(False, "a wrong key")
except openai.AuthenticationError:
    check(True, "a wrong key")
