// Who is signed in. Everything else that is kept in memory ends with it.
import { signal } from '@preact/signals';
import * as account from '../api/account';
import { end, forget, refresh, whenSignedOut } from '../api/credential';
import { describe } from '../api/errors';
import type { Me } from '../api/types';

export type Session =
  | { is: 'starting' }
  | { is: 'unreachable'; problem: string }
  | { is: 'out'; said: string | null }
  | { is: 'in'; me: Me };

export const session = signal<Session>({ is: 'starting' });

const forgetters: (() => void)[] = [];

/** Calls `forget` when somebody signs out, so that nothing stays for the next one. */
export function onSignOut(forget: () => void): void {
  forgetters.push(forget);
}

export function me(): Me | null {
  return session.value.is === 'in' ? session.value.me : null;
}

/** Goes on with the session that the cookie stands for, if there is one. */
export async function start(): Promise<void> {
  session.value = { is: 'starting' };
  whenSignedOut(() => leave('Your session has ended. Sign in again.'));
  try {
    const known = await refresh();
    session.value = known ? { is: 'in', me: known } : { is: 'out', said: null };
  } catch (error) {
    session.value = { is: 'unreachable', problem: describe(error) };
  }
}

export function enter(user: Me): void {
  session.value = { is: 'in', me: user };
}

/** Signs out here, or everywhere. What cannot be told to the service is forgotten here all the same. */
export async function signOut(everywhere: boolean): Promise<void> {
  try {
    await account.signOut(everywhere);
  } finally {
    leave(everywhere ? 'You are signed out everywhere.' : null);
  }
}

function leave(said: string | null): void {
  forget();
  for (const forgetter of forgetters) forgetter();
  session.value = { is: 'out', said };
}

export { end };
