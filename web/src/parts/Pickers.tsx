import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as chat from '../state/chat';
import { collectionName, collections, models } from '../state/library';
import { Icon } from './Icon';

/** Which collections answers come from: some, or all. */
export function CollectionPicker(): VNode | null {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const outside = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [isOpen]);
  const known = collections.value ?? [];
  const picked = chat.setUpNow().collections;
  if (known.length === 0) return null;
  const label = picked.length === 0 ? 'All documents'
    : picked.length === 1 ? collectionName(picked[0] ?? '') : `${picked.length} collections`;
  const toggle = (id: string): void => {
    const next = picked.includes(id) ? picked.filter((other) => other !== id) : [...picked, id];
    void chat.setUp({ collections: next });
  };
  return (
    <div
      class="picker"
      ref={root}
      onKeyDown={(event) => {
        if (event.key !== 'Escape' || !isOpen) return;
        event.preventDefault();
        setOpen(false);
        root.current?.querySelector('button')?.focus();
      }}
    >
      <button type="button" class="chip" aria-expanded={isOpen} aria-haspopup="true" onClick={() => setOpen(!isOpen)}>
        <Icon name="book" /> <span class="hidden">Answers from: </span><span>{label}</span>
      </button>
      {isOpen && (
        <fieldset class="picker-list">
          <legend>Answers come from</legend>
          <label class="check">
            <input type="checkbox" checked={picked.length === 0} onChange={() => void chat.setUp({ collections: [] })} />
            All documents
          </label>
          {known.map((one) => (
            <label key={one.id} class="check">
              <input type="checkbox" checked={picked.includes(one.id)} onChange={() => toggle(one.id)} />
              <span>{one.name}</span> <span class="quiet">{one.documents}</span>
            </label>
          ))}
        </fieldset>
      )}
    </div>
  );
}

/** Which model answers. */
export function ModelPicker(): VNode | null {
  const known = models.value;
  const picked = chat.setUpNow().model;
  if (known.length < 2) return null;
  const usual = known.find((model) => model.default)?.name;
  return (
    <label class="chip select">
      <span class="hidden">Model</span>
      <select value={picked ?? ''} onChange={(event) => void chat.setUp({ model: event.currentTarget.value || null })}>
        <option value="">{usual ? `${usual} (usual)` : 'Usual model'}</option>
        {known.filter((model) => model.name !== usual).map((model) => (
          <option key={model.name} value={model.name}>{model.name}</option>
        ))}
      </select>
    </label>
  );
}
