import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  addDocument, addPictures, along, alongOf, asSent, explained, type Named, type Picture, takeAll, takeOut, withBytes,
} from './along';
import { blank } from './answer';
import { notices } from './notices';

const file = (name: string, type: string, size = 3): File => new File([new Uint8Array(size).fill(97)], name, { type });
const picture: Picture = { type: 'image', media_type: 'image/png', base64: 'YWFh' };
const named: Named = { type: 'file', document_id: 'd', title: 'Manual' };

describe('what is sent along', () => {
  beforeEach(() => {
    takeAll();
    notices.value = [];
  });

  test('is a picture by its bytes', async () => {
    await addPictures([file('a.png', 'image/png'), file('b.webp', 'image/webp')]);
    expect(along.value).toEqual([picture, { ...picture, media_type: 'image/webp' }]);
    takeOut(along.value[0] as Picture);
    expect(takeAll()).toEqual([{ ...picture, media_type: 'image/webp' }]);
    expect(along.value).toEqual([]);
  });

  test('is refused with what to do when it cannot be looked at', async () => {
    await addPictures([file('a.svg', 'image/svg+xml')]);
    await addPictures([file('b.png', 'image/png', 5 * 1024 * 1024 + 1)]);
    expect(along.value).toEqual([]);
    expect(notices.value.map((notice) => notice.text.slice(0, 20))).toEqual(['“a.svg” is no PNG, J', '“b.png” is larger th']);
  });

  test('is eight pictures at most', async () => {
    await addPictures(Array.from({ length: 9 }, (_, at) => file(`${at}.gif`, 'image/gif')));
    expect(along.value).toHaveLength(8);
    expect(notices.value.map((notice) => notice.text)).toEqual(['A question takes 8 pictures at most.']);
  });

  test('is a document once, and sixteen at most', () => {
    for (const id of ['d', 'd']) addDocument({ id, title: 'Manual' });
    expect(along.value).toEqual([named]);
    for (let at = 0; at < 16; at++) addDocument({ id: String(at), title: 'Another' });
    expect(along.value).toHaveLength(16);
    expect(notices.value).toHaveLength(1);
  });

  test('is found again in what was stored', () => {
    const stored = { ...blank('m', 'c', null).message, parts: [picture, named, { type: 'text' as const, text: 'Why?' }] };
    expect(alongOf(stored)).toEqual([picture, named]);
  });
});

test('a question is sent as words, and as parts with what is sent along', () => {
  expect(asSent('Why?', [])).toEqual({ content: 'Why?' });
  expect(asSent('Why?', [picture, named])).toEqual({
    parts: [{ type: 'text', text: 'Why?' }, { type: 'image', data: 'YWFh' }, { type: 'file', document_id: 'd' }],
  });
});

describe('a picture whose address is known', () => {
  afterEach(() => vi.unstubAllGlobals());
  const referred: Picture = { type: 'image', media_type: 'image/png', url: '/pictures/1' };

  test('is loaded when it is sent once more, and no other is', async () => {
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (path: string) => {
      asked.push(path);
      return Object.assign(new Response(), { blob: async () => new Blob(['aaa']) });
    });
    expect(await withBytes([named, referred, picture])).toEqual([named, picture, picture]);
    expect(asked).toEqual(['/pictures/1']);
  });

  test('is not sent when it is gone', async () => {
    const gone = { error: { code: 'not_found:image', message: 'image not found', request_id: 'r' } };
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify(gone), { status: 404 }));
    await expect(withBytes([referred])).rejects.toThrow('Image not found.');
  });
});

test('a model that cannot look at pictures is named, with what to do', () => {
  expect(explained('`parts` cannot be looked at by the model `extractive`; choose another or leave them out.'))
    .toMatch(/^The model extractive cannot look at pictures. Choose another/);
  expect(explained('Not now.')).toBe('Not now.');
});
