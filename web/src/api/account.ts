import { call, type Page } from './client';
import { keep } from './credential';
import type { ApiKey, Me, Scope, SignedIn, SignInOptions } from './types';

export const options = (): Promise<SignInOptions> => call('/api/v1/auth/options');

export async function signIn(name: string, password: string): Promise<Me> {
  return keep(await call<SignedIn>('/api/v1/auth/login', { body: { name, password, cookie: true } }));
}

/** A guest who registers becomes that user and keeps everything. */
export async function register(name: string, password: string): Promise<Me> {
  return keep(await call<SignedIn>('/api/v1/auth/register', { body: { name, password, cookie: true } }));
}

export async function asGuest(): Promise<Me> {
  return keep(await call<SignedIn>('/api/v1/auth/guest', { body: { cookie: true } }));
}

export const signOut = (everywhere: boolean): Promise<void> =>
  call('/api/v1/auth/logout', { body: everywhere ? { everywhere } : {} });

export const changePassword = (current: string, next: string): Promise<Me> =>
  call('/api/v1/me', { method: 'PATCH', body: { password: { current, new: next } } });

/** API keys; a plain list is taken as well as a page. */
export async function apiKeys(): Promise<ApiKey[]> {
  const got = await call<Page<ApiKey> | ApiKey[]>('/api/v1/api-keys');
  return Array.isArray(got) ? got : got.items;
}

export const makeApiKey = (name: string, scopes: Scope[], days: number | null): Promise<ApiKey> =>
  call('/api/v1/api-keys', { body: { name, scopes, ...(days ? { expires_in_days: days } : {}) } });

export const deleteApiKey = (id: string): Promise<void> =>
  call(`/api/v1/api-keys/${id}`, { method: 'DELETE' });
