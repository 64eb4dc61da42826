import type { TargetedSubmitEvent, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as account from '../api/account';
import { describe } from '../api/errors';
import type { Me, SignInOptions } from '../api/types';
import { enter } from '../state/session';

/** The door: sign in, register, or come as a guest. */
export function SignIn({ said }: { said: string | null }): VNode {
  const [options, setOptions] = useState<SignInOptions | null>(null);
  const [isNew, setIsNew] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    // Without an answer the form for those who have an account is right.
    account.options().then(setOptions, () => setOptions({ registration: false, guests: false }));
  }, []);

  const attempt = async (how: () => Promise<Me>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      enter(await how());
    } catch (error) {
      setProblem(describe(error));
      setBusy(false);
    }
  };
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const name = String(form.get('name')).trim();
    const password = String(form.get('password'));
    void attempt(() => (isNew ? account.register(name, password) : account.signIn(name, password)));
  };
  return (
    <main class="door">
      <h1 class="wordmark">Footnote<sup>1</sup></h1>
      <p class="quiet">Answers from your own documents, each claim with its source.</p>
      {said && <p class="callout" role="status">{said}</p>}
      <form class="card form" onSubmit={submit} aria-busy={busy}>
        <h2>{isNew ? 'Make an account' : 'Sign in'}</h2>
        <label>
          Name
          <input name="name" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={200} autofocus />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autocomplete={isNew ? 'new-password' : 'current-password'}
            required
            maxLength={1000}
          />
        </label>
        {problem && <p class="problem" role="alert">{problem}</p>}
        <button type="submit" class="button primary" disabled={busy}>{isNew ? 'Register' : 'Sign in'}</button>
        {options?.registration && (
          <button type="button" class="link-button" onClick={() => setIsNew(!isNew)}>
            {isNew ? 'I have an account' : 'Make an account'}
          </button>
        )}
      </form>
      {options?.guests && (
        <button type="button" class="button" disabled={busy} onClick={() => void attempt(account.asGuest)}>
          Go on as a guest
        </button>
      )}
    </main>
  );
}
