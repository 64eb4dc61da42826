// What the pane beside the conversation shows: a source, or something that a
// model made.
import { signal } from '@preact/signals';
import type { Citation } from '../api/types';
import { onSignOut } from './session';

/** A passage to show. */
export type Place = Pick<Citation, 'revision_id' | 'document_id' | 'title' | 'start' | 'end'> &
  Partial<Pick<Citation, 'n' | 'page' | 'quote' | 'uri' | 'support' | 'score'>>;

export type Panel = { is: 'source'; place: Place } | { is: 'artifact'; id: string; title: string };

export const panel = signal<Panel | null>(null);
/** Where the keyboard was before the pane opened. */
let opener: HTMLElement | null = null;

onSignOut(() => {
  panel.value = null;
});

export function open(next: Panel): void {
  if (!panel.value) opener = document.activeElement instanceof HTMLElement ? document.activeElement : null;
  panel.value = next;
}

export function close(): void {
  panel.value = null;
  opener?.focus();
  opener = null;
}
