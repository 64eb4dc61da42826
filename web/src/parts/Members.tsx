import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import type { Member } from '../api/types';
import { Icon } from './Icon';

/** Who else has a collection, and as what. */
export function Members({ collection }: { collection: string }): VNode {
  const [members, setMembers] = useState<Member[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = (): Promise<void> => api.members(collection).then(setMembers, (error: unknown) => setProblem(describe(error)));
  useEffect(() => void load(), [collection]);
  const act = async (work: () => Promise<unknown>): Promise<void> => {
    setProblem(null);
    try {
      await work();
      await load();
    } catch (error) {
      setProblem(describe(error));
    }
  };
  return (
    <>
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          const form = event.currentTarget;
          const data = new FormData(form);
          const role = data.get('role') === 'writer' ? 'writer' : 'reader';
          void act(() => api.share(collection, String(data.get('name')).trim(), role)).then(() => form.reset());
        }}
      >
        <label class="grow"><span class="hidden">Name of a user</span><input name="name" placeholder="Name of a user" required maxLength={200} autocomplete="off" /></label>
        <label><span class="hidden">May</span>
          <select name="role"><option value="reader">may read</option><option value="writer">may write</option></select>
        </label>
        <button type="submit" class="button primary">Share</button>
      </form>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {members?.length === 0 && <p class="quiet">Nobody else has it.</p>}
      <ul class="rows">
        {members?.map((member) => (
          <li key={member.user_id} class="row">
            <Icon name="user" /> <span class="grow">{member.name}</span>
            {isWaiting(member) && <span class="badge warn">has not accepted yet</span>}
            <span class="quiet">{member.role === 'owner' ? 'owner' : member.role === 'writer' ? 'may write' : 'may read'}</span>
            {member.role !== 'owner' && (
              <button
                type="button"
                class="icon-button"
                aria-label={`${isWaiting(member) ? 'Take back the invitation of' : 'Take it from'} ${member.name}`}
                onClick={() => void act(() => api.unshare(collection, member.user_id))}
              >
                <Icon name="close" />
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  );
}

/** Nothing is shared with those who were invited before they accept. */
const isWaiting = ({ role, accepted_at }: Member): boolean => role !== 'owner' && accepted_at === null;
