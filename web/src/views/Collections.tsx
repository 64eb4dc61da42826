import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import type { Collection } from '../api/types';
import { DrawerButton } from '../parts/DrawerButton';
import { Icon } from '../parts/Icon';
import { Invitations } from '../parts/Invitations';
import { collections, loadCollections } from '../state/library';
import { go, toCollection } from '../state/route';
import { CollectionView } from './CollectionView';

/** All collections, or one of them. */
export function Collections({ chosen }: { chosen: string | null }): VNode {
  useEffect(() => {
    document.title = 'Documents · Footnote';
    void loadCollections();
  }, [chosen]);
  if (chosen) return <CollectionView key={chosen} id={chosen} />;
  const known = collections.value;
  return (
    <div class="view">
      <header class="bar"><DrawerButton /><h1>Documents</h1></header>
      <div class="view-body">
        <NewCollection />
        <Invitations />
        {known === null && <p class="waiting" role="status">Loading…</p>}
        {known?.length === 0 && <p class="quiet">A collection holds documents that belong together. Make one, and put files into it.</p>}
        <ul class="rows">{known?.map((one) => <Row key={one.id} collection={one} />)}</ul>
      </div>
    </div>
  );
}

function Row({ collection }: { collection: Collection }): VNode {
  const { id, name, documents, role } = collection;
  return (
    <li>
      <a class="row" href={toCollection(id)}>
        <Icon name="book" />
        <span class="grow">{name}</span>
        {role && role !== 'owner' && <span class="badge">{role === 'writer' ? 'shared, may write' : 'shared, may read'}</span>}
        <span class="quiet">{documents} {documents === 1 ? 'document' : 'documents'}</span>
      </a>
    </li>
  );
}

function NewCollection(): VNode {
  const [name, setName] = useState('');
  const [problem, setProblem] = useState<string | null>(null);
  const make = async (): Promise<void> => {
    try {
      const made = await api.makeCollection(name.trim());
      setName('');
      go(toCollection(made.id));
    } catch (error) {
      setProblem(describe(error));
    }
  };
  return (
    <form
      class="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        setProblem(null);
        void make();
      }}
    >
      <label class="grow">
        <span class="hidden">Name of a new collection</span>
        <input placeholder="New collection" maxLength={200} required value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button" disabled={name.trim() === ''}>Make</button>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </form>
  );
}
