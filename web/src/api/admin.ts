import { call, type Page } from './client';
import type { Account, Job, OutsideTool, SpentBy, Stats, Usage } from './types';

export const usage = (from: string): Promise<Usage> => call('/api/v1/usage', { query: { from } });

export const usageByUser = async (from: string): Promise<SpentBy[]> =>
  (await call<{ items: SpentBy[] }>('/api/v1/admin/usage', { query: { from } })).items;

export const jobs = (state: Job['state'] | null, cursor: string | null): Promise<Page<Job>> =>
  call('/api/v1/admin/jobs', { query: { state, cursor, limit: 100 } });

/** Tries given-up jobs again: these, or all. */
export const retry = (ids: string[] | null): Promise<{ jobs: number }> =>
  call('/api/v1/admin/jobs/retry', { body: ids ? { ids } : {} });

export const cancel = (ids: string[]): Promise<{ jobs: number }> => call('/api/v1/admin/jobs/cancel', { body: { ids } });

export const stats = (): Promise<Stats> => call('/api/v1/admin/stats');

export const outsideTools = async (): Promise<OutsideTool[]> =>
  (await call<{ items: OutsideTool[] }>('/api/v1/admin/tools')).items;

export const users = (cursor: string | null): Promise<Page<Account>> =>
  call('/api/v1/admin/users', { query: { cursor, limit: 100 } });

export const makeUser = (name: string, password: string, role: Account['role']): Promise<Account> =>
  call('/api/v1/admin/users', { body: { name, password, role } });

export const changeUser = (
  id: string,
  change: Partial<{ disabled: boolean; role: Account['role']; password: string }>,
): Promise<Account> => call(`/api/v1/admin/users/${id}`, { method: 'PATCH', body: change });

export const deleteUser = (id: string): Promise<void> => call(`/api/v1/admin/users/${id}`, { method: 'DELETE' });
