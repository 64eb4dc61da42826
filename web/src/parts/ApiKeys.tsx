import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as account from '../api/account';
import { describe } from '../api/errors';
import type { ApiKey, Scope } from '../api/types';
import { date } from '../text/figures';
import { CopyButton } from './CopyButton';
import { confirmed } from './Dialog';
import { Icon } from './Icon';

const SCOPES: { scope: Scope; says: string }[] = [
  { scope: 'read', says: 'Read and search' },
  { scope: 'ask', says: 'Ask' },
  { scope: 'write', says: 'Add, change and delete' },
  { scope: 'admin', says: 'Administer' },
];

/** Keys for programs. */
export function ApiKeys({ isAdmin }: { isAdmin: boolean }): VNode {
  const [keys, setKeys] = useState<ApiKey[] | null>(null);
  const [made, setMade] = useState<ApiKey | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = (): Promise<void> => account.apiKeys().then(setKeys, (error: unknown) => setProblem(describe(error)));
  useEffect(() => void load(), []);
  const act = async (work: () => Promise<void>): Promise<void> => {
    setProblem(null);
    try {
      await work();
      await load();
    } catch (error) {
      setProblem(describe(error));
    }
  };
  const remove = async (key: ApiKey): Promise<void> => {
    if (!(await confirmed('Delete this key?', `Programs that use “${key.name}” are shut out at once.`, 'Delete'))) return;
    await act(() => account.deleteApiKey(key.id));
  };
  return (
    <section>
      <h2>API keys</h2>
      <p class="quiet">For programs that use the API in your name. <a href="/docs">What the API can do</a>.</p>
      {made?.key && (
        <div class="callout" role="status">
          <p>This is the key “{made.name}”. It is shown this once.</p>
          <p class="secret"><code>{made.key}</code> <CopyButton text={() => made.key ?? ''} label="Copy the key" /></p>
        </div>
      )}
      <NewKey isAdmin={isAdmin} onMake={(name, scopes, days) => void act(async () => setMade(await account.makeApiKey(name, scopes, days)))} />
      {problem && <p class="problem" role="alert">{problem}</p>}
      <ul class="rows">
        {keys?.map((key) => (
          <li key={key.id} class="row">
            <div class="grow">
              <span class="title">{key.name}</span>
              <span class="quiet">
                <code>{key.prefix}…</code> · {key.scopes.join(', ')} · {key.expires_at ? `until ${date(key.expires_at)}` : 'without end'} · last used {date(key.last_used_at)}
              </span>
            </div>
            <button type="button" class="icon-button" aria-label={`Delete ${key.name}`} onClick={() => void remove(key)}><Icon name="trash" /></button>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface NewKeyProps {
  isAdmin: boolean;
  onMake: (name: string, scopes: Scope[], days: number | null) => void;
}

function NewKey({ isAdmin, onMake }: NewKeyProps): VNode {
  return (
    <details class="fold">
      <summary>Make a key</summary>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          const form = event.currentTarget;
          const data = new FormData(form);
          onMake(String(data.get('name')).trim(), data.getAll('scope') as Scope[], Number(data.get('days')) || null);
          form.reset();
        }}
      >
        <label>Name <input name="name" required maxLength={200} placeholder="What it is for" /></label>
        <fieldset>
          <legend>May</legend>
          {SCOPES.filter(({ scope }) => scope !== 'admin' || isAdmin).map(({ scope, says }) => (
            <label key={scope} class="check"><input type="checkbox" name="scope" value={scope} defaultChecked={scope === 'read' || scope === 'ask'} /> {says}</label>
          ))}
        </fieldset>
        <label>Holds for
          <select name="days"><option value="30">30 days</option><option value="90" selected>90 days</option><option value="365">a year</option><option value="">ever</option></select>
        </label>
        <div class="actions start"><button type="submit" class="button primary">Make</button></div>
      </form>
    </details>
  );
}
