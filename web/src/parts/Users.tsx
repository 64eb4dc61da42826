import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/admin';
import { describe } from '../api/errors';
import type { Account, Me } from '../api/types';
import { moment } from '../text/figures';
import { confirmed, Dialog } from './Dialog';
import { type Choice, Menu } from './Menu';

/** Who may come in, and as what. */
export function Users({ me }: { me: Me }): VNode {
  const [users, setUsers] = useState<Account[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [reset, setReset] = useState<Account | null>(null);
  const load = async (after: string | null): Promise<void> => {
    try {
      const page = await api.users(after);
      setUsers((known) => (after ? [...(known ?? []), ...page.items] : page.items));
      setCursor(page.next_cursor);
    } catch (error) {
      setProblem(describe(error));
    }
  };
  useEffect(() => void load(null), []);
  const act = async (work: () => Promise<unknown>): Promise<boolean> => {
    setProblem(null);
    try {
      await work();
      await load(null);
      return true;
    } catch (error) {
      setProblem(describe(error));
      return false;
    }
  };
  return (
    <section>
      <div class="heading"><h2>Users</h2></div>
      <NewUser onMake={(name, password, role) => act(() => api.makeUser(name, password, role))} />
      {problem && <p class="problem" role="alert">{problem}</p>}
      <ul class="rows">
        {users?.map((user) => (
          <li key={user.id} class="row">
            <div class="grow">
              <span class="title">{user.name}{user.id === me.id && <span class="quiet"> (you)</span>}</span>
              <span class="quiet">last seen {moment(user.last_seen_at)}</span>
            </div>
            {user.disabled && <span class="badge warn">shut out</span>}
            <span class="badge">{user.kind === 'guest' ? 'guest' : user.role}</span>
            {user.id !== me.id && <Menu label={`More for ${user.name}`} icon="more" choices={choicesFor(user, act, () => setReset(user))} />}
          </li>
        ))}
      </ul>
      {cursor && <button type="button" class="link-button" onClick={() => void load(cursor)}>Show more</button>}
      {reset && (
        <Dialog title={`New password for ${reset.name}`} onClose={() => setReset(null)}>
          <form
            class="form"
            onSubmit={(event) => {
              event.preventDefault();
              const password = String(new FormData(event.currentTarget).get('password'));
              void act(() => api.changeUser(reset.id, { password })).then(() => setReset(null));
            }}
          >
            <label>Password <input name="password" type="password" autocomplete="new-password" required maxLength={1000} /></label>
            <div class="actions"><button type="submit" class="button primary">Set it</button></div>
          </form>
        </Dialog>
      )}
    </section>
  );
}

function choicesFor(user: Account, act: (work: () => Promise<unknown>) => Promise<boolean>, reset: () => void): Choice[] {
  const change = (change: Parameters<typeof api.changeUser>[1]) => () => void act(() => api.changeUser(user.id, change));
  const remove = async (): Promise<void> => {
    const text = `“${user.name}” with all conversations and documents is gone for good.`;
    if (await confirmed('Delete this user?', text, 'Delete')) await act(() => api.deleteUser(user.id));
  };
  return [
    { label: user.disabled ? 'Let in again' : 'Shut out', act: change({ disabled: !user.disabled }) },
    ...(user.kind === 'regular'
      ? [
        { label: user.role === 'admin' ? 'Make a plain user' : 'Make an administrator', act: change({ role: user.role === 'admin' ? 'user' : 'admin' }) },
        { label: 'Set a new password', act: reset },
      ]
      : []),
    { label: 'Delete', icon: 'trash', danger: true, act: () => void remove() },
  ];
}

interface NewUserProps {
  onMake: (name: string, password: string, role: Account['role']) => Promise<boolean>;
}

function NewUser({ onMake }: NewUserProps): VNode {
  return (
    <details class="fold">
      <summary>Add a user</summary>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          const form = event.currentTarget;
          const data = new FormData(form);
          const role = data.get('role') === 'admin' ? 'admin' : 'user';
          void onMake(String(data.get('name')).trim(), String(data.get('password')), role).then((done) => done && form.reset());
        }}
      >
        <label>Name <input name="name" required maxLength={200} autocomplete="off" /></label>
        <label>Password <input name="password" type="password" autocomplete="new-password" required maxLength={1000} /></label>
        <label>As <select name="role"><option value="user">user</option><option value="admin">administrator</option></select></label>
        <div class="actions start"><button type="submit" class="button primary">Add</button></div>
      </form>
    </details>
  );
}
