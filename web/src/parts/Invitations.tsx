import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import type { Invitation } from '../api/types';
import { loadCollections } from '../state/library';
import { me } from '../state/session';
import { Icon } from './Icon';

/** What others would share: nothing of it is searched before it is accepted. */
export function Invitations(): VNode | null {
  const [open, setOpen] = useState<Invitation[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    api.invitations().then(setOpen, (error: unknown) => setProblem(describe(error)));
  }, []);
  const answer = async (one: Invitation, accepts: boolean): Promise<void> => {
    setProblem(null);
    try {
      if (accepts) await api.accept(one.collection_id);
      else await api.unshare(one.collection_id, me()?.id ?? '');
      setOpen((all) => all.filter((other) => other !== one));
      await loadCollections();
    } catch (error) {
      setProblem(describe(error));
    }
  };
  if (open.length === 0 && !problem) return null;
  return (
    <section aria-label="Invitations">
      <ul class="rows">
        {open.map((one) => (
          <li key={one.collection_id} class="row">
            <Icon name="book" />
            <span class="grow">
              {one.name}
              <span class="quiet">{one.owner} would share it with you, to {one.role === 'writer' ? 'read and write' : 'read'}.</span>
            </span>
            <button type="button" class="button" onClick={() => void answer(one, true)}>Accept</button>
            <button type="button" class="button" onClick={() => void answer(one, false)}>Decline</button>
          </li>
        ))}
      </ul>
      {problem && <p class="problem" role="alert">{problem}</p>}
    </section>
  );
}
