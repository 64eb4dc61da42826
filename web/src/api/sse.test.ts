import { describe, expect, test } from 'vitest';
import { EventReader, eventsOf } from './sse';

const STREAM = [
  '\uFEFF: hello\n\n',
  'id: 1\nevent: text.delta\ndata: {"text":"Grüße 😀"}\n\n',
  'id: 2\r\nevent: text.delta\r\ndata: one\r\ndata: two\r\n\r\n',
  'id: 3\revent: usage\rdata:three\r\r',
  'data\n\n',
  'event: empty\n\n',
  'unknown: field\ndata:  spaced\n\n',
].join('');

const EXPECTED = [
  { id: '1', name: 'text.delta', data: '{"text":"Grüße 😀"}' },
  { id: '2', name: 'text.delta', data: 'one\ntwo' },
  { id: '3', name: 'usage', data: 'three' },
  { id: '3', name: 'message', data: '' },
  { id: '3', name: 'message', data: ' spaced' },
];

describe('the reader of events', () => {
  test('any split of the characters gives the same events', () => {
    for (let size = 1; size <= STREAM.length; size++) {
      const reader = new EventReader();
      const events = [];
      for (let at = 0; at < STREAM.length; at += size) events.push(...reader.push(STREAM.slice(at, at + size)));
      expect(events).toEqual(EXPECTED);
    }
  });

  test('any split of the bytes gives the same events', async () => {
    const bytes = new TextEncoder().encode(STREAM);
    for (const size of [1, 2, 3, 5, 7, bytes.length]) {
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.slice(at, at + size));
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          for (const piece of pieces) controller.enqueue(piece);
          controller.close();
        },
      });
      const events = [];
      for await (const event of eventsOf(new Response(body))) events.push(event);
      expect(events).toEqual(EXPECTED);
    }
  });

  test('an event that is cut off is not told', () => {
    expect(new EventReader().push('id: 1\ndata: half\n')).toEqual([]);
  });
});
