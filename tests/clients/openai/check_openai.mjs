// The package `openai`: chat, responses, embeddings, files, vector stores.

import OpenAI, { toFile } from "openai";

import { check, checkCited, failure, key, model, question, url, wrongKey } from "./common.mjs";

const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: question }];

async function checkChat() {
  const whole = await client.chat.completions.create({ model, messages });
  const message = whole.choices[0].message;
  checkCited(message.content);
  const letters = [...message.content];
  check(message.annotations.length > 0, "annotations");
  for (const { url_citation: citation } of message.annotations) {
    const marker = letters.slice(citation.start_index, citation.end_index).join("");
    check(/^\[\d+\]$/.test(marker), `the marker ${marker} where it is said to be`);
  }
  let text = "";
  let late = 0;
  for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) {
    text += chunk.choices[0]?.delta.content ?? "";
    late += chunk.choices[0]?.delta.annotations ? 1 : 0;
  }
  checkCited(text);
  check(late === 1, "annotations in one late delta");
}

async function checkResponses() {
  const first = await client.responses.create({ model, input: question, include: ["file_search_call.results"] });
  checkCited(first.output_text);
  const search = first.output.find((item) => item.type === "file_search_call");
  check(search.results.length > 0, "results of the file search");
  const kinds = [];
  const stream = await client.responses.create({ model, input: "And why?", previous_response_id: first.id, stream: true });
  for await (const event of stream) {
    kinds.push(event.type);
  }
  check(kinds[0] === "response.created" && kinds.at(-1) === "response.completed", "a stream of events");
  await client.responses.delete(first.id);
}

async function checkEmbeddings() {
  const models = [];
  for await (const known of client.models.list()) {
    models.push(known.id);
  }
  check(models.includes(model), `${model} among the models`);
  const vectors = await client.embeddings.create({ model: models.at(-1), input: ["a pump", "a heron"] });
  check(vectors.data.length === 2 && vectors.data[0].embedding.length > 10, "vectors of texts");
}

async function checkStores() {
  const text = "The pump P4 is rated for 4 bar.";
  const file = await client.files.create({ file: await toFile(Buffer.from(text), "pump.txt"), purpose: "assistants" });
  const store = await client.vectorStores.create({ name: "clients of the API" });
  try {
    const stored = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id, attributes: { series: "P4" } });
    check(stored.status === "completed", "a file in a store");
    const filters = { type: "eq", key: "series", value: "P4" };
    const found = await client.vectorStores.search(store.id, { query: "pressure of the pump", filters });
    check(found.data[0].file_id === file.id, "a search with a filter");
  } finally {
    await client.vectorStores.delete(store.id);
    await client.files.delete(file.id);
  }
}

async function checkRefusals() {
  const stranger = new OpenAI({ baseURL: url, apiKey: wrongKey, maxRetries: 0 });
  const refused = await failure(() => stranger.chat.completions.create({ model, messages }));
  check(refused instanceof OpenAI.AuthenticationError && refused.code === "invalid_api_key", "a wrong key");
  const unknown = await failure(() => client.chat.completions.create({ model: "kb/no such collection", messages }));
  check(unknown instanceof OpenAI.NotFoundError && unknown.code === "model_not_found", "an unknown model");
}

await checkChat();
await checkResponses();
await checkEmbeddings();
await checkStores();
await checkRefusals();
