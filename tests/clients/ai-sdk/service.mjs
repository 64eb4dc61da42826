// The service under test, by its native API: a document to ask about, and what
// is stored of an answer.

export const url = (process.env.FOOTNOTE_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '');
export const key = process.env.FOOTNOTE_KEY ?? '';
/** A model that takes its time, such as that of slow-model.mjs; else the service's own. */
export const model = process.env.FOOTNOTE_MODEL || undefined;

export const SENTENCE = 'The pump P4 is rated for a pressure of 4 bar.';
export const QUESTION = 'What pressure is the pump P4 rated for?';

const DOCUMENT = `# Pump P4\n\n${SENTENCE} It weighs 3 kg.\n\nOil the bearings of the pump every six months.\n`;

export function headers() {
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function call(method, path, body) {
  const response = await fetch(url + path, {
    method,
    headers: { ...headers(), ...(body ? { 'content-type': 'application/json' } : {}) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** A collection of its own with the document in it, ready to be asked about. */
export async function collection() {
  const name = `ai-sdk-${crypto.randomUUID()}`;
  const { id } = await call('POST', '/api/v1/collections', { name });
  await call('POST', `/api/v1/collections/${id}/documents`, { key: 'p4.md', text: DOCUMENT });
  const end = Date.now() + 60_000;
  for (;;) {
    const { progress } = await call('GET', `/api/v1/collections/${id}`);
    if (progress.queued === 0 && progress.words === 0) return { id, name };
    if (Date.now() > end) throw new Error(`the document is not ready: ${JSON.stringify(progress)}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

export function remove(collection) {
  return call('DELETE', `/api/v1/collections/${collection.id}`);
}

/** The message of an answer as it is stored. */
export function stored(message) {
  return call('GET', `/api/v1/conversations/${message.metadata.conversationId}/messages/${message.id}`);
}

/** The exact characters that a citation points at. */
export async function cited({ revision_id, start, end }) {
  return (await call('GET', `/api/v1/revisions/${revision_id}/text?start=${start}&end=${end}`)).text;
}

export function stop(chat) {
  return call('POST', `/api/chat/${encodeURIComponent(chat)}/stop`, {});
}
