// Files on their way to the service. They go on while other views are shown.
import { signal } from '@preact/signals';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import { onSignOut } from './session';

export interface Upload {
  id: number;
  collection: string;
  name: string;
  file: File;
  state: 'waiting' | 'sending' | 'failed';
  problem: string | null;
}

export const uploads = signal<Upload[]>([]);
/** Counts what arrived, so that lists know when to look again. */
export const arrived = signal(0);

/** Files that are sent at once. */
const AT_ONCE = 2;
/** Files that wait, at most. */
const MOST = 2000;
let last = 0;
let active = 0;

onSignOut(() => {
  uploads.value = [];
});

export function add(collection: string, files: readonly { file: File; name: string }[]): void {
  const room = Math.max(0, MOST - uploads.value.length);
  const taken = files.slice(0, room).map(({ file, name }): Upload =>
    ({ id: ++last, collection, name, file, state: 'waiting', problem: null }));
  uploads.value = [...uploads.value, ...taken];
  while (active < AT_ONCE && next()) void work();
}

export function again(id: number): void {
  set(id, { state: 'waiting', problem: null });
  if (active < AT_ONCE) void work();
}

export function drop(id: number): void {
  uploads.value = uploads.value.filter((one) => one.id !== id);
}

async function work(): Promise<void> {
  active += 1;
  for (let upload = next(); upload; upload = next()) {
    const { id, collection, file, name } = upload;
    set(id, { state: 'sending' });
    try {
      await api.upload(collection, file, name);
      drop(id);
      arrived.value += 1;
    } catch (error) {
      set(id, { state: 'failed', problem: describe(error) });
    }
  }
  active -= 1;
}

const next = (): Upload | undefined => uploads.value.find((one) => one.state === 'waiting');

function set(id: number, change: Partial<Upload>): void {
  uploads.value = uploads.value.map((one) => (one.id === id ? { ...one, ...change } : one));
}
