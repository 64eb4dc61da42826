import { all, call, type Page, send } from './client';
import type { Approval, Artifact, Conversation, FoundConversation, Message, Model } from './types';

export type QuestionPart =
  | { type: 'text'; text: string }
  | { type: 'image'; data: string }
  | { type: 'file'; document_id: string };

export type Asking = ({ content: string } | { parts: QuestionPart[] }) & { parent_id?: string | null };

const at = (conversation: string): string => `/api/v1/conversations/${conversation}`;
const message = (conversation: string, id: string): string => `${at(conversation)}/messages/${id}`;

export const list = (archived: boolean, cursor: string | null): Promise<Page<Conversation>> =>
  call('/api/v1/conversations', { query: { archived, cursor, limit: 50 } });

export const search = (q: string, signal: AbortSignal): Promise<Page<FoundConversation>> =>
  call('/api/v1/conversations/search', { query: { q, limit: 30 }, signal });

export const find = (id: string): Promise<Conversation> => call(at(id));

/** How the answers of a conversation are made; what is null is as the service has it. */
export type SetUp = Pick<Conversation, 'collections' | 'model' | 'system_prompt' | 'tools'>;

export const begin = (setUp: SetUp): Promise<Conversation> => call('/api/v1/conversations', { body: setUp });

export type Change = Partial<SetUp & { title: string; archived: boolean; leaf_id: string | null }>;

export const change = (id: string, change: Change): Promise<Conversation> =>
  call(at(id), { method: 'PATCH', body: change });

export const remove = (id: string): Promise<void> => call(at(id), { method: 'DELETE' });

/** All messages; their pictures are loaded one by one, when they are looked at. */
export const messages = (id: string): Promise<Message[]> => all(`${at(id)}/messages`, { images: 'reference' });

/** The picture at an address that a message names. */
export const picture = async (url: string, signal?: AbortSignal): Promise<Blob> => (await send(url, { signal })).blob();

export const one = (conversation: string, id: string): Promise<Message> => call(message(conversation, id));

const events = { accept: 'text/event-stream' };

/** Asks; the reply is a stream of events. The same key asks once. */
export const ask = (id: string, asking: Asking, key: string, signal: AbortSignal): Promise<Response> =>
  send(`${at(id)}/messages`, {
    body: { ...asking, hints: hints(), stream: true },
    headers: { ...events, 'idempotency-key': key },
    signal,
  });

/** Asks a question in other words, as another branch. */
export const edit = (id: string, of: string, asking: Asking, key: string, signal: AbortSignal): Promise<Response> =>
  send(`${message(id, of)}/edit`, {
    body: { ...asking, hints: hints(), stream: true },
    headers: { ...events, 'idempotency-key': key },
    signal,
  });

/** Answers anew, as another branch. */
export const regenerate = (id: string, of: string, signal: AbortSignal): Promise<Response> =>
  send(`${message(id, of)}/regenerate`, { body: { stream: true }, headers: events, signal });

/** The events of an answer after the one of number `after`. */
export const follow = (id: string, of: string, after: string | null, signal: AbortSignal): Promise<Response> =>
  send(`${message(id, of)}/stream`, { headers: { ...events, ...(after ? { 'last-event-id': after } : {}) }, signal });

export const cancel = (id: string, of: string): Promise<Message> =>
  call(`${message(id, of)}/cancel`, { method: 'POST' });

export const decide = (id: string, of: string, approval: string, approve: boolean): Promise<Approval> =>
  call(`${message(id, of)}/approvals/${approval}`, { body: { approve } });

export const vote = (
  id: string,
  of: string,
  opinion: { vote: 'up' | 'down' | null; reasons?: string[]; comment?: string },
): Promise<Message> => call(`${message(id, of)}/feedback`, { body: opinion });

export const exported = (id: string, format: 'markdown' | 'json'): Promise<Response> =>
  send(`${at(id)}/export`, { query: { format } });

export const artifact = (id: string): Promise<Artifact> => call(`/api/v1/artifacts/${id}`);

export const models = async (): Promise<Model[]> => (await call<{ items: Model[] }>('/api/v1/models')).items;

function hints(): { locale: string; time_zone?: string } {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return { locale: navigator.language, ...(zone && zone !== 'Etc/Unknown' ? { time_zone: zone } : {}) };
}
