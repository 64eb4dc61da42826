import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { call } from './client';
import { forget, keep, whenSignedOut } from './credential';
import type { SignedIn } from './types';

const signedIn = (token: string, seconds = 600): SignedIn => ({
  access_token: token,
  token_type: 'Bearer',
  expires_in: seconds,
  user: { id: 'u', name: 'ada', role: 'user', kind: 'regular', created_at: '' },
});
const json = (status: number, body: unknown): Response => new Response(JSON.stringify(body), { status });
const refusal = { error: { code: 'unauthorized:credential', message: 'sign in', request_id: 'r' } };

/** A service that takes one token, and gives it for a good cookie. */
function service(good: string, cookie: boolean): { asked: string[] } {
  const asked: string[] = [];
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push(path);
    if (path === '/api/v1/auth/refresh') return cookie ? json(200, signedIn(good)) : json(401, refusal);
    const sent = new Headers(init.headers).get('authorization');
    return sent === `Bearer ${good}` ? json(200, { path }) : json(401, refusal);
  });
  return { asked };
}

describe('the way to the service', () => {
  const ended = vi.fn();
  beforeEach(() => {
    ended.mockReset();
    whenSignedOut(ended);
  });
  afterEach(() => {
    forget();
    vi.unstubAllGlobals();
  });

  test('an ended token is renewed once, however many requests meet it', async () => {
    keep(signedIn('old'));
    const { asked } = service('new', true);
    const replies = await Promise.all(['/a', '/b', '/c'].map((path) => call<{ path: string }>(path)));
    expect(replies.map((reply) => reply.path)).toEqual(['/a', '/b', '/c']);
    expect(asked.filter((path) => path.endsWith('/refresh'))).toHaveLength(1);
    expect(ended).not.toHaveBeenCalled();
  });

  test('a token is renewed before it ends', async () => {
    vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValue(600_000);
    keep(signedIn('old', 600));
    const { asked } = service('new', true);
    await call('/a');
    expect(asked).toEqual(['/api/v1/auth/refresh', '/a']);
    vi.restoreAllMocks();
  });

  test('without a good cookie the session ends, and the request fails once', async () => {
    keep(signedIn('old'));
    const { asked } = service('new', false);
    await expect(call('/a')).rejects.toMatchObject({ status: 401 });
    expect(asked).toEqual(['/a', '/api/v1/auth/refresh']);
    expect(ended).toHaveBeenCalledOnce();
  });

  test('a wrong password is no ended session', async () => {
    const { asked } = service('new', true);
    vi.stubGlobal('fetch', async (path: string) => (asked.push(path), json(401, refusal)));
    await expect(call('/api/v1/auth/login', { body: {} })).rejects.toMatchObject({ code: 'unauthorized:credential' });
    expect(asked).toEqual(['/api/v1/auth/login']);
    expect(ended).not.toHaveBeenCalled();
  });
});
