// What pickers offer: collections and models.
import { signal } from '@preact/signals';
import * as conversations from '../api/conversations';
import * as documents from '../api/documents';
import type { Collection, Model } from '../api/types';
import { complain } from './notices';
import { onSignOut } from './session';

export const collections = signal<Collection[] | null>(null);
export const models = signal<Model[]>([]);

onSignOut(() => {
  collections.value = null;
  models.value = [];
});

export async function loadCollections(): Promise<void> {
  try {
    collections.value = await documents.collections();
  } catch (error) {
    complain(error, () => void loadCollections());
  }
}

export async function loadModels(): Promise<void> {
  try {
    models.value = await conversations.models();
  } catch (error) {
    complain(error, () => void loadModels());
  }
}

export function collectionName(id: string): string {
  return collections.value?.find((collection) => collection.id === id)?.name ?? 'a collection';
}
