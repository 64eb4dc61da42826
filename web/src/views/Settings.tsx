import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as account from '../api/account';
import { describe } from '../api/errors';
import type { Me } from '../api/types';
import { DrawerButton } from '../parts/DrawerButton';
import { ApiKeys } from '../parts/ApiKeys';
import { confirmed } from '../parts/Dialog';
import { complain, say } from '../state/notices';
import { enter, signOut } from '../state/session';
import { choose, theme, type Theme } from '../state/theme';

export function Settings({ me }: { me: Me }): VNode {
  useEffect(() => {
    document.title = 'Settings · Footnote';
  }, []);
  return (
    <div class="view">
      <header class="bar"><DrawerButton /><h1>Settings</h1></header>
      <div class="view-body narrow">
        <section>
          <h2>Appearance</h2>
          <div class="tabs" role="group" aria-label="Colours">
            {(['system', 'light', 'dark'] as Theme[]).map((one) => (
              <button key={one} type="button" aria-pressed={theme.value === one} onClick={() => choose(one)}>
                {one === 'system' ? 'As the system' : one === 'light' ? 'Light' : 'Dark'}
              </button>
            ))}
          </div>
        </section>
        {me.kind === 'guest' ? <Register /> : <Password me={me} />}
        {me.kind === 'regular' && <ApiKeys isAdmin={me.role === 'admin'} />}
        <section>
          <h2>Sign out</h2>
          {me.kind === 'guest' && <p class="quiet">Without an account there is no way back to what you asked.</p>}
          <div class="actions start">
            <button type="button" class="button" onClick={() => void leave(me, false)}>Sign out here</button>
            {me.kind === 'regular' && <button type="button" class="button" onClick={() => void leave(me, true)}>Sign out everywhere</button>}
          </div>
        </section>
      </div>
    </div>
  );
}

async function leave(me: Me, everywhere: boolean): Promise<void> {
  if (me.kind === 'guest' && !(await confirmed('Leave as a guest?', 'Your conversations and documents cannot be reached any more.', 'Leave'))) return;
  signOut(everywhere).catch((error: unknown) => complain(error));
}

/** A guest becomes a user and keeps everything. */
function Register(): VNode {
  const [problem, setProblem] = useState<string | null>(null);
  const register = async (form: FormData): Promise<void> => {
    setProblem(null);
    try {
      enter(await account.register(String(form.get('name')).trim(), String(form.get('password'))));
      say('The account is yours, with everything that you have.');
    } catch (error) {
      setProblem(describe(error));
    }
  };
  return (
    <section>
      <h2>Keep what you have</h2>
      <p class="quiet">You are a guest. With a name and a password everything stays, and you can come back.</p>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void register(new FormData(event.currentTarget));
        }}
      >
        <label>Name <input name="name" autocomplete="username" required maxLength={200} /></label>
        <label>Password <input name="password" type="password" autocomplete="new-password" required maxLength={1000} /></label>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <div class="actions start"><button type="submit" class="button primary">Register</button></div>
      </form>
    </section>
  );
}

function Password({ me }: { me: Me }): VNode {
  const [problem, setProblem] = useState<string | null>(null);
  const change = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    setProblem(null);
    try {
      await account.changePassword(String(data.get('current')), String(data.get('new')));
      form.reset();
      say('The password is changed.');
    } catch (error) {
      setProblem(describe(error));
    }
  };
  return (
    <section>
      <h2>Password</h2>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void change(event.currentTarget);
        }}
      >
        <input class="hidden" name="username" autocomplete="username" value={me.name} readOnly tabIndex={-1} aria-hidden="true" />
        <label>Present password <input name="current" type="password" autocomplete="current-password" required maxLength={1000} /></label>
        <label>New password <input name="new" type="password" autocomplete="new-password" required maxLength={1000} /></label>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <div class="actions start"><button type="submit" class="button">Change it</button></div>
      </form>
    </section>
  );
}
