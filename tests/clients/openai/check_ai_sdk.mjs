// The packages `ai`, `@ai-sdk/openai` and `@ai-sdk/openai-compatible`.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, streamText } from "ai";

import { check, checkCited, failure, key, model, question, url, wrongKey } from "./common.mjs";

const openai = createOpenAI({ baseURL: url, apiKey: key });
const compatible = createOpenAICompatible({ name: "footnote", baseURL: url, apiKey: key });

async function streamed(name, provided, sources) {
  let problem = null;
  const result = streamText({ model: provided, prompt: question, maxRetries: 0, onError: ({ error }) => (problem = error) });
  let text = "";
  for await (const piece of result.textStream) {
    text += piece;
  }
  check(problem === null, `${name}: no error${problem ? `, but ${problem}` : ""}`);
  checkCited(text);
  if (sources) {
    check((await result.sources).length > 0, `${name}: sources`);
  }
}

await streamed("chat", openai.chat(model), true);
await streamed("responses", openai.responses(model), true);
await streamed("compatible", compatible(model), false);
checkCited((await generateText({ model: openai.responses(model), prompt: question, maxRetries: 0 })).text);
checkCited((await generateText({ model: openai.chat(model), prompt: question, maxRetries: 0 })).text);

const strangers = [
  createOpenAI({ baseURL: url, apiKey: wrongKey }).chat(model),
  createOpenAI({ baseURL: url, apiKey: wrongKey }).responses(model),
  createOpenAICompatible({ name: "footnote", baseURL: url, apiKey: wrongKey })(model),
];
for (const stranger of strangers) {
  const refused = await failure(() => generateText({ model: stranger, prompt: question, maxRetries: 0 }));
  check(APICallError.isInstance(refused) && refused.statusCode === 401, `a wrong key: ${refused?.message}`);
}
