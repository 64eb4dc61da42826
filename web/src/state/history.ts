// The list of conversations: by last use, archived ones apart, and by words.
import { signal } from '@preact/signals';
import * as api from '../api/conversations';
import { isAbort } from '../api/errors';
import type { Conversation, FoundConversation } from '../api/types';
import { complain } from './notices';
import { onSignOut } from './session';

export const listed = signal<Conversation[]>([]);
export const more = signal<string | null>(null);
export const archived = signal(false);
export const found = signal<FoundConversation[] | null>(null);

let searching: AbortController | null = null;
let loads = 0;

onSignOut(() => {
  listed.value = [];
  more.value = null;
  archived.value = false;
  found.value = null;
  loads += 1;
});

/** The first page, or the one after what is there. */
export async function load(next = false): Promise<void> {
  const turn = ++loads;
  try {
    const page = await api.list(archived.value, next ? more.value : null);
    if (turn !== loads) return;
    const known = next ? listed.value : [];
    const ids = new Set(known.map((one) => one.id));
    listed.value = [...known, ...page.items.filter((one) => !ids.has(one.id))];
    more.value = page.next_cursor;
  } catch (error) {
    complain(error, () => void load(next));
  }
}

export async function search(words: string): Promise<void> {
  searching?.abort();
  if (words.trim() === '') {
    found.value = null;
    return;
  }
  searching = new AbortController();
  try {
    found.value = (await api.search(words, searching.signal)).items;
  } catch (error) {
    if (!isAbort(error)) complain(error);
  }
}

/** Shows a conversation as it is now, at the top if it is new. */
export function put(conversation: Conversation): void {
  const belongs = (conversation.archived_at !== null) === archived.value;
  const others = listed.value.filter((other) => other.id !== conversation.id);
  listed.value = belongs
    ? [...others, conversation].toSorted((one, other) => (one.updated_at < other.updated_at ? 1 : -1))
    : others;
  if (found.value) {
    found.value = found.value.map((hit) => (hit.conversation.id === conversation.id ? { ...hit, conversation } : hit));
  }
}

export async function change(id: string, change: api.Change): Promise<void> {
  try {
    put(await api.change(id, change));
  } catch (error) {
    complain(error);
  }
}

export async function remove(id: string): Promise<boolean> {
  try {
    await api.remove(id);
    listed.value = listed.value.filter((one) => one.id !== id);
    if (found.value) found.value = found.value.filter((hit) => hit.conversation.id !== id);
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}
