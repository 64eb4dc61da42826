// A provider that speaks the OpenAI protocol and says what the tests tell it to
// say, in pieces and with pauses. What it is asked beside answers, such as a
// title, gets two words at once.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Listens on 127.0.0.1. `scripts` are tried in turn: the first whose `when` is
 * in the question says `says(passages, told)`, `told` being its instructions, cut into pieces of `size` characters
 * with `wait` milliseconds before each. One with a `gate` stops half way until
 * that is opened.
 */
export async function startProvider(port, scripts) {
  const server = createServer((request, response) => {
    answer(request, response, scripts).catch((error) => {
      console.error('provider:', error);
      response.destroy();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { close: () => { server.closeAllConnections(); server.close(); } };
}

async function answer(request, response, scripts) {
  if (request.method === 'GET' && request.url.endsWith('/models')) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ object: 'list', data: [{ id: 'scripted', object: 'model' }] }));
    return;
  }
  const body = JSON.parse(await read(request));
  const passages = passagesOf(body.messages);
  // The evidence before the question may hold any words.
  const asked = textOf(body.messages.findLast((turn) => turn.role === 'user')).split(/<\/[^>\n]+>/).at(-1);
  const script = passages.length > 0 ? scripts.find(({ when }) => asked.includes(when)) : null;
  const { says, size, wait, gate } = script ?? { says: () => 'A question', size: 100, wait: 0 };
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const told = body.messages.filter(({ role }) => role === 'system').map(textOf).join('\n');
  const signs = Array.from(says(passages, told));
  for (let at = 0; at < signs.length && !response.destroyed; at += size) {
    if (wait > 0) await pause(wait);
    if (gate && at <= signs.length / 2 && at + size > signs.length / 2) {
      await Promise.race([gate.opened(), once(response, 'close')]);
    }
    send(response, [{ index: 0, delta: { content: signs.slice(at, at + size).join('') } }]);
  }
  send(response, [{ index: 0, delta: {}, finish_reason: 'stop' }]);
  send(response, [], { prompt_tokens: 120, completion_tokens: signs.length });
  response.end('data: [DONE]\n\n');
}

function send(response, choices, usage) {
  response.write(`data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', choices, ...(usage ? { usage } : {}) })}\n\n`);
}

async function read(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

function textOf(turn) {
  if (typeof turn?.content === 'string') return turn.content;
  return (turn?.content ?? []).map((part) => part.text ?? '').join('');
}

/** The evidence that was sent along: its numbers and words. */
function passagesOf(messages) {
  const all = messages.map(textOf).join('\n');
  return [...all.matchAll(/<([^>\n]+)>\n\[(\d+)\] [^\n]*\n([\s\S]*?)\n<\/\1>/g)]
    .map(([, , n, text]) => ({ n: Number(n), text }));
}
