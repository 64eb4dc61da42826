// The access token lives in this module's memory and nowhere else; what
// survives a reload is an HttpOnly cookie that scripts cannot read.
import { ApiError, errorOf } from './errors';
import type { Me, SignedIn } from './types';

let token: string | null = null;
/** Whose token it is. */
let account: string | null = null;
/** When it is renewed, on the clock of `performance`. */
let renewAt = 0;
let refreshing: Promise<Me | null> | null = null;
let onEnd: () => void = () => {};

/** Calls `ended` when the credential is gone and cannot be renewed. */
export function whenSignedOut(ended: () => void): void {
  onEnd = ended;
}

/** The header of a request, with a token that holds for a while. */
export async function authorization(): Promise<Record<string, string>> {
  // What goes wrong here is told by the request that is made next.
  if (token && performance.now() >= renewAt) await refresh().catch(() => null);
  return token ? { authorization: `Bearer ${token}` } : {};
}

export function forget(): void {
  token = null;
  account = null;
}

/** Keeps what a sign-in gave. */
export function keep(signedIn: SignedIn): Me {
  token = signedIn.access_token;
  account = signedIn.user.id;
  renewAt = performance.now() + Math.max(1, signedIn.expires_in - 30) * 1000;
  return signedIn.user;
}

/**
 * A new access token by the cookie; null when there is none. However many ask
 * at once, one request is made: the cookie works once.
 */
export function refresh(): Promise<Me | null> {
  refreshing ??= inTurn(renew).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

/** Says that the credential ended for good. */
export function end(): void {
  forget();
  onEnd();
}

/** One page of the browser after another, where the browser can say so. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  return 'locks' in navigator ? navigator.locks.request('footnote.refresh', work) : work();
}

async function renew(): Promise<Me | null> {
  let response: Response;
  try {
    response = await fetch('/api/v1/auth/refresh', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      credentials: 'same-origin',
      body: '{}',
    });
  } catch {
    throw new ApiError(0, 'network', 'The service cannot be reached. Check the connection and try again.');
  }
  if (response.status === 401 || response.status === 403 || response.status === 422) return null;
  if (!response.ok) throw await errorOf(response);
  const signedIn = (await response.json()) as SignedIn;
  // Another page signed in as somebody else, whose cookie it is by now: this page
  // shows the first one's, and must not act for the other.
  if (account && signedIn.user.id !== account) {
    token = null;
    return null;
  }
  return keep(signedIn);
}
