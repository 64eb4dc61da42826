// The service as front ends see it that are built with the AI SDK: each of the
// library's versions sends, reads, resumes and stops by its own code.
//
//   FOOTNOTE_URL=http://127.0.0.1:8080 FOOTNOTE_KEY=... node --test check.mjs
//
// Resuming and stopping need an answer that takes a while. FOOTNOTE_MODEL names a
// model that is asked for those; without one they are skipped.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import * as ai7 from 'ai';
import * as ai5 from 'ai5';
import * as ai6 from 'ai6';

import { chatOf, words } from './chat.mjs';
import { QUESTION, cited, collection, headers, key, model, remove, stop, stored, url } from './service.mjs';

const slow = { skip: model ? false : 'FOOTNOTE_MODEL is not set' };
let library;

before(async () => {
  library = await collection();
});
after(() => remove(library));

for (const [version, sdk] of Object.entries({ ai5, ai6, ai7 })) {
  describe(version, () => check(sdk));
}

function check(sdk) {
  const Chat = chatOf(sdk);
  const transport = (more = {}) =>
    new sdk.DefaultChatTransport({
      api: `${url}/api/chat`,
      headers: headers(),
      body: () => ({ collections: [library.name], ...(model ? { model } : {}) }),
      ...more,
    });
  const begin = (more = {}) => new Chat({ id: `chat/${crypto.randomUUID()}`, transport: transport(), ...more });
  const question = (text = QUESTION) => ({ id: sdk.generateId(), role: 'user', parts: [{ type: 'text', text }] });
  const send = (chatId, messages, trigger = 'submit-message') =>
    transport().sendMessages({ chatId, messages, trigger, messageId: undefined, abortSignal: undefined });

  test('a chat is sent and its answer is read with what it cites', async () => {
    const data = [];
    const chat = begin({ onData: part => data.push(part.type) });
    await chat.sendMessage({ text: QUESTION });
    assert.equal(chat.error, undefined);
    assert.equal(chat.status, 'ready');
    assert.deepEqual(chat.messages.map(message => message.role), ['user', 'assistant']);
    const answer = chat.lastMessage;
    const of = type => answer.parts.filter(part => part.type === type);
    assert.match(words(answer), /4 bar/);
    assert.equal(of('source-document').length + of('source-url').length, 1);
    const citations = of('data-citation').map(part => part.data);
    assert.ok(citations.length > 0);
    for (const citation of citations) assert.equal(await cited(citation), citation.quote);
    assert.ok(data.includes('data-retrieval') && !of('data-retrieval').length, 'what was found is told and not kept');
    assert.equal(of('data-grounded')[0].data.grounded, true);
    assert.ok(answer.metadata.usage.totalTokens > 0);
    const message = await stored(answer);
    assert.equal(words(message), words(answer));
    assert.equal(message.status, 'completed');
    // The newest readers keep what backs each range of a text.
    const text = of('text').at(-1);
    if (sdk === ai7) assert.ok(text.citations?.length > 0);
    for (const { startIndex, endIndex, citedText } of text.citations ?? []) {
      const n = Number(text.text.slice(startIndex, endIndex).match(/^\[(\d+)\]$/)?.[1]);
      assert.equal(citations.find(citation => citation.n === n)?.quote, citedText);
    }
  });

  test('the stream is read by the reader of streams', async () => {
    const chat = crypto.randomUUID();
    let last;
    const problems = [];
    const stream = await send(chat, [question()]);
    for await (const message of sdk.readUIMessageStream({ stream, onError: error => problems.push(error) })) {
      last = message;
    }
    assert.deepEqual(problems, []);
    assert.match(words(last), /4 bar/);
    assert.equal(words(await stored(last)), words(last));
    assert.equal(await transport().reconnectToStream({ chatId: chat }), null);
  });

  test('a chat goes on, and its answer is given anew', async () => {
    const chat = begin();
    await chat.sendMessage({ text: QUESTION });
    const first = chat.lastMessage;
    await chat.sendMessage({ text: 'How heavy is the pump P4?' });
    assert.equal(chat.lastMessage.metadata.conversationId, first.metadata.conversationId);
    const second = chat.lastMessage;
    await chat.regenerate();
    assert.equal(chat.error, undefined);
    assert.equal(chat.messages.length, 4);
    assert.notEqual(chat.lastMessage.id, second.id);
    assert.equal((await stored(chat.lastMessage)).parent_id, (await stored(second)).parent_id);
    // In other words, from the first question on.
    const edited = { text: 'What does the pump P4 weigh?', messageId: chat.messages[0].id };
    await chat.sendMessage(edited);
    assert.equal(chat.messages.length, 2);
    assert.equal((await stored(chat.lastMessage)).siblings.count, 1);
    assert.notEqual((await stored(chat.lastMessage)).parent_id, (await stored(first)).parent_id);
  });

  test('a request of the last message alone is enough', async () => {
    const chat = begin({
      transport: transport({
        prepareSendMessagesRequest: ({ id, messages, body }) => ({ body: { ...body, id, message: messages.at(-1) } }),
      }),
    });
    await chat.sendMessage({ text: QUESTION });
    await chat.sendMessage({ text: 'How heavy is the pump P4?' });
    assert.equal(chat.error, undefined);
    assert.match(words(chat.messages[1]), /4 bar/);
    assert.equal(chat.messages.length, 4);
  });

  test('an answer under way is read again from its start', slow, async () => {
    const chatId = crypto.randomUUID();
    const first = (await send(chatId, [question()])).getReader();
    const parts = [];
    do parts.push((await first.read()).value);
    while (parts.at(-1).type !== 'text-delta');
    // By the transport, and by a page that is opened anew.
    const again = await transport().reconnectToStream({ chatId });
    assert.ok(again, 'nothing is under way');
    const page = begin({ id: chatId });
    const resumed = page.resumeStream();
    for (let read; !(read = await first.read()).done; ) parts.push(read.value);
    const replayed = [];
    for (const reader = again.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      replayed.push(value);
    }
    await resumed;
    assert.deepEqual(replayed, parts);
    assert.equal(page.error, undefined);
    assert.equal(page.messages.length, 1);
    const said = parts.filter(part => part.type === 'text-delta').map(part => part.delta).join('');
    assert.equal(words(page.lastMessage), said);
    assert.equal(words(await stored(page.lastMessage)), said);
    assert.equal(await transport().reconnectToStream({ chatId }), null);
  });

  test('going away stops nothing, and stopping keeps what was said', slow, async () => {
    const chat = begin();
    const sending = chat.sendMessage({ text: QUESTION });
    const end = Date.now() + 30_000;
    while (chat.lastMessage?.role !== 'assistant' || !words(chat.lastMessage)) {
      assert.ok(Date.now() < end, `no words: ${chat.error}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    await chat.stop();
    await sending;
    assert.equal((await stored(chat.lastMessage)).status, 'running');
    const resumed = chat.resumeStream();
    const { stopped } = await stop(chat.id);
    assert.equal(stopped, true);
    await resumed;
    assert.equal(chat.error, undefined);
    const message = await stored(chat.lastMessage);
    assert.equal(message.status, 'cancelled');
    assert.equal(words(message), words(chat.lastMessage));
    assert.equal((await stop(chat.id)).stopped, false);
  });

  test('a refusal is shown as its words', async () => {
    const chat = begin();
    await chat.sendMessage({ text: ' ' });
    assert.equal(chat.status, 'error');
    assert.match(chat.error.message, /^`content` /);
  });

  test('a wrong key is a clean error', { skip: key ? false : 'FOOTNOTE_KEY is not set' }, async () => {
    const wrong = { authorization: 'Bearer wrong' };
    const chat = begin({ transport: transport({ headers: wrong }) });
    await chat.sendMessage({ text: QUESTION });
    assert.equal(chat.status, 'error');
    assert.ok(chat.error.message.length > 10 && !/[{}<>]/.test(chat.error.message), chat.error.message);
    await assert.rejects(transport({ headers: wrong }).reconnectToStream({ chatId: 'any' }), /^(?!.*[{}<>]).{10,}/);
  });
}
