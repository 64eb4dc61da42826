"""The package `llama-index-llms-openai-like`: a chat as a stream."""

import openai
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

from common import KEY, MODEL, QUESTION, URL, WRONG_KEY, check, check_cited


def model(key):
    return OpenAILike(model=MODEL, api_base=URL, api_key=key, is_chat_model=True, context_window=32_000, max_retries=0)


question = [ChatMessage(role="user", content=QUESTION)]
check_cited("".join(chunk.delta or "" for chunk in model(KEY).stream_chat(question)))
try:
    model(WRONG_KEY).chat(question)
    check(False, "a wrong key")
except openai.AuthenticationError:
    check(True, "a wrong key")
