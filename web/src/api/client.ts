// One way to the service: adds the credential, renews it once when it ended,
// and turns replies into values or errors.
import { authorization, end, refresh } from './credential';
import { ApiError, errorOf } from './errors';

export interface Wanted {
  method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Sent as JSON, unless it is a form. */
  body?: unknown;
  query?: Record<string, string | number | boolean | null | undefined>;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Routes that give a credential: what they refuse is not an ended one. */
const WITHOUT_CREDENTIAL = new Set(['/api/v1/auth/login', '/api/v1/auth/guest', '/api/v1/auth/options']);

/** The JSON of a reply; undefined for one without a body. */
export async function call<T>(path: string, wanted: Wanted = {}): Promise<T> {
  const response = await send(path, wanted);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** A reply that is no error. */
export async function send(path: string, wanted: Wanted = {}): Promise<Response> {
  let response = await once(path, wanted);
  if (response.status === 401 && !WITHOUT_CREDENTIAL.has(path)) {
    if (!(await refresh())) {
      end();
      throw new ApiError(401, 'unauthorized:credential', 'Your session has ended. Sign in again.');
    }
    response = await once(path, wanted);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function once(path: string, wanted: Wanted): Promise<Response> {
  const { body, headers } = wanted;
  const credential = WITHOUT_CREDENTIAL.has(path) ? {} : await authorization();
  const isForm = body instanceof FormData;
  const init: RequestInit = {
    method: wanted.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...credential,
      ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    signal: wanted.signal ?? null,
  };
  if (body !== undefined) init.body = isForm ? body : JSON.stringify(body);
  try {
    return await fetch(address(path, wanted.query), init);
  } catch (error) {
    if (wanted.signal?.aborted) throw error;
    throw new ApiError(0, 'network', 'The service cannot be reached. Check the connection and try again.');
  }
}

function address(path: string, query: Wanted['query']): string {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null);
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}

/** A page of a list. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** All items of a list, in at most `pages` pages of 200. */
export async function all<T>(path: string, query: Wanted['query'] = {}, pages = 25): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < pages; page++) {
    const got: Page<T> = await call<Page<T>>(path, { query: { limit: 200, ...query, cursor } });
    items.push(...got.items);
    cursor = got.next_cursor;
    if (!cursor) break;
  }
  return items;
}
