// What is sent along with the next question. It stays until it is sent or taken
// out, whatever else is looked at meanwhile.
import { signal } from '@preact/signals';
import { picture as load, type QuestionPart } from '../api/conversations';
import type { Message, Part, SourceDocument } from '../api/types';
import { complain } from './notices';
import { onSignOut } from './session';

export type Picture = Extract<Part, { type: 'image' }>;
export type Named = Extract<Part, { type: 'file' }>;
export type Along = Picture | Named;

/** Kinds of pictures that models look at. */
export const KINDS = ['image/png', 'image/jpeg', 'image/gif', 'image/webp'];
/** Pictures of a question, at most. */
const MOST = 8;
/** Documents that a question names, at most. */
const MOST_NAMED = 16;
/** Bytes of a picture, at most. */
const LARGEST = 5 * 1024 * 1024;

export const along = signal<readonly Along[]>([]);

onSignOut(() => {
  along.value = [];
});

export function takeOut(part: Along): void {
  along.value = along.value.filter((other) => other !== part);
}

/** All of it, which is gone from here then. */
export function takeAll(): readonly Along[] {
  const all = along.value;
  along.value = [];
  return all;
}

/** Reads pictures, as far as they can be sent, and says why where they cannot. */
export async function addPictures(files: readonly File[]): Promise<void> {
  for (const file of files) {
    try {
      check(file);
      const picture: Picture = { type: 'image', media_type: file.type, base64: await base64Of(file) };
      if (pictures().length >= MOST) throw new Error(`A question takes ${MOST} pictures at most.`);
      along.value = [...along.value, picture];
    } catch (error) {
      complain(error);
      return;
    }
  }
}

/** Names a document, from which and from no others the next question is answered. */
export function addDocument({ id, title }: Pick<SourceDocument, 'id' | 'title'>): void {
  const named = along.value.filter((part) => part.type === 'file');
  if (named.some((part) => part.document_id === id)) return;
  if (named.length >= MOST_NAMED) {
    complain(new Error(`A question names ${MOST_NAMED} documents at most. Put more into a collection and ask about that.`));
    return;
  }
  along.value = [...along.value, { type: 'file', document_id: id, title }];
}

function pictures(): Picture[] {
  return along.value.filter((part) => part.type === 'image');
}

function check(file: File): void {
  if (!KINDS.includes(file.type)) {
    throw new Error(`“${file.name}” is no PNG, JPEG, GIF or WebP. Put other files into a collection and ask about them.`);
  }
  if (file.size > LARGEST) throw new Error(`“${file.name}” is larger than 5 MiB. Make it smaller and add it again.`);
}

/** A file's bytes; browsers give them as `data:TYPE;base64,BYTES`. */
function base64Of(file: Blob): Promise<string> {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ''));
    reader.onerror = () => failed(new Error(`${file instanceof File ? `“${file.name}”` : 'A picture'} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

/** The same with the bytes of all pictures, to be sent once more. */
export function withBytes(sent: readonly Along[], signal?: AbortSignal): Promise<Along[]> {
  return Promise.all(sent.map(async (part) => {
    if (part.type !== 'image' || part.base64 !== undefined || part.url === undefined) return part;
    return { type: part.type, media_type: part.media_type, base64: await base64Of(await load(part.url, signal)) };
  }));
}

/** What was sent along with a question. */
export function alongOf(message: Message): Along[] {
  return message.parts.filter((part): part is Along => part.type === 'image' || part.type === 'file');
}

/** A question as it is sent: its words, or its parts with their bytes. */
export function asSent(content: string, sent: readonly Along[]): { content: string } | { parts: QuestionPart[] } {
  if (sent.length === 0) return { content };
  const parts = sent.map((part): QuestionPart =>
    part.type === 'image' ? { type: 'image', data: part.base64 ?? '' } : { type: 'file', document_id: part.document_id });
  return { parts: [{ type: 'text', text: content }, ...parts] };
}

/** What is wrong with a question, in words for those who sent pictures along. */
export function explained(problem: string): string {
  const model = /cannot be looked at by the model `([^`]+)`/.exec(problem)?.[1];
  return model
    ? `The model ${model} cannot look at pictures. Choose another one below and try again, or ask without them.`
    : problem;
}
