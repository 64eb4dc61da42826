// A provider of one model, `slow`, that takes a few seconds for an answer. It
// speaks OpenAI's Chat Completions:
//
//   node slow-model.mjs 9009 &
//   OPENAI_BASE_URL=http://127.0.0.1:9009/v1 footnote serve
//
// Its answer cites source 1, and then goes on to talk.

import { createServer } from 'node:http';

const PIECES = [
  'The pump P4 is rated for a pressure of 4 bar [1: "rated for a pressure of 4 bar"]. ',
  ...Array.from({ length: 60 }, (_, n) => `More of that is said in part ${n + 1}. `),
];
const PAUSE = 50;

const chunk = (delta, more = {}) => ({ id: 'c', choices: [{ index: 0, delta, ...more }] });

const server = createServer(async (request, response) => {
  let body = '';
  for await (const part of request) body += part;
  if (!request.url.endsWith('/chat/completions')) {
    response.writeHead(404).end();
    return;
  }
  const { stream, messages } = JSON.parse(body);
  // What is asked beside answers, such as a title, needs no more than a word.
  const isAnswer = JSON.stringify(messages).includes('rated for a pressure');
  const pieces = isAnswer ? PIECES : ['Pumps'];
  const usage = { prompt_tokens: 100, completion_tokens: 500 };
  if (!stream) {
    const message = { role: 'assistant', content: pieces.join('') };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'c', choices: [{ index: 0, message, finish_reason: 'stop' }], usage }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const say = value => response.write(`data: ${JSON.stringify(value)}\n\n`);
  for (const piece of pieces) {
    if (response.destroyed) return;
    say(chunk({ content: piece }));
    await new Promise(resolve => setTimeout(resolve, isAnswer ? PAUSE : 0));
  }
  say(chunk({}, { finish_reason: 'stop' }));
  say({ id: 'c', choices: [], usage });
  response.end('data: [DONE]\n\n');
});

// Says where it is.
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
