// Short words about what was done or went wrong, that go by themselves.
import { signal } from '@preact/signals';
import { describe } from '../api/errors';

export interface Notice {
  id: number;
  kind: 'done' | 'problem';
  text: string;
  again: (() => void) | null;
}

export const notices = signal<Notice[]>([]);
let last = 0;

export function say(text: string): void {
  add({ kind: 'done', text, again: null }, 4000);
}

/** Tells a problem, with a way to try again where there is one. */
export function complain(error: unknown, again: (() => void) | null = null): void {
  add({ kind: 'problem', text: describe(error), again }, 12_000);
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

function add(notice: Omit<Notice, 'id'>, milliseconds: number): void {
  const id = ++last;
  notices.value = [...notices.value.slice(-3), { ...notice, id }];
  setTimeout(() => dismiss(id), milliseconds);
}
