import { all, call, type Page, send } from './client';
import type { Collection, CollectionDetail, Invitation, Member, SourceDocument, Stage, TextPart } from './types';

export const collections = (): Promise<Collection[]> => all('/api/v1/collections', {}, 5);

export const collection = (id: string, signal?: AbortSignal): Promise<CollectionDetail> =>
  call(`/api/v1/collections/${id}`, { signal });

export const makeCollection = (name: string): Promise<CollectionDetail> =>
  call('/api/v1/collections', { body: { name } });

export const renameCollection = (id: string, name: string): Promise<CollectionDetail> =>
  call(`/api/v1/collections/${id}`, { method: 'PATCH', body: { name } });

export const deleteCollection = (id: string): Promise<void> =>
  call(`/api/v1/collections/${id}`, { method: 'DELETE' });

export interface Taken {
  documents: { id: string; key: string; outcome: 'added' | 'changed' | 'unchanged' }[];
}

/** Sends one file; it is kept when this returns, and searchable soon after. */
export function upload(id: string, file: File, key: string): Promise<Taken> {
  const form = new FormData();
  form.append('key', key);
  form.append('file', file, file.name);
  return call(`/api/v1/collections/${id}/documents`, { body: form });
}

/** Has a web page read. */
export const readPage = (id: string, url: string): Promise<Taken> =>
  call(`/api/v1/collections/${id}/documents`, { body: { url } });

export const documents = (
  collection: string,
  status: Stage | null,
  cursor: string | null,
  limit: number,
  signal?: AbortSignal,
): Promise<Page<SourceDocument>> =>
  call('/api/v1/documents', { query: { collection, status, cursor, limit }, signal });

export const document = (id: string, signal?: AbortSignal): Promise<SourceDocument> =>
  call(`/api/v1/documents/${id}`, { signal });

export const deleteDocument = (id: string): Promise<void> => call(`/api/v1/documents/${id}`, { method: 'DELETE' });

/** The bytes as they were uploaded. */
export async function original(id: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const response = await send(`/api/v1/documents/${id}/original`, { signal });
  return new Uint8Array(await response.arrayBuffer());
}

/** The characters `[start, end)` of a revision, in code points. */
export const textOf = (revision: string, start: number, end: number, signal?: AbortSignal): Promise<TextPart> =>
  call(`/api/v1/revisions/${revision}/text`, { query: { start: Math.max(0, start), end }, signal });

export async function members(id: string): Promise<Member[]> {
  const got = await call<Page<Member> | Member[]>(`/api/v1/collections/${id}/members`);
  return Array.isArray(got) ? got : got.items;
}

export const share = (id: string, name: string, role: 'reader' | 'writer'): Promise<Member> =>
  call(`/api/v1/collections/${id}/members`, { body: { name, role } });

export const unshare = (id: string, user: string): Promise<void> =>
  call(`/api/v1/collections/${id}/members/${user}`, { method: 'DELETE' });

/** Collections that others would share with the account, once it accepts. */
export const invitations = (): Promise<Invitation[]> => all('/api/v1/invitations', {}, 1);

export const accept = (id: string): Promise<void> => call(`/api/v1/collections/${id}/accept`, { method: 'POST' });
