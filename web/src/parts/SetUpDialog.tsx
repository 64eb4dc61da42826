import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { outsideTools } from '../api/admin';
import { describe } from '../api/errors';
import * as chat from '../state/chat';
import { say } from '../state/notices';
import { me } from '../state/session';
import { namesIn, OWN_TOOLS } from '../text/tools';
import { Dialog } from './Dialog';
import { useFocus } from './focus';

/** Characters of instructions, at most. */
const MOST = 8000;

/** What the model of a conversation is told, and what it may call. */
export function SetUpDialog({ onClose }: { onClose: () => void }): VNode {
  return <Dialog title="Instructions and tools" onClose={onClose}><SetUp /></Dialog>;
}

function SetUp(): VNode {
  // As it was when the dialog was opened.
  const [{ system_prompt, tools }] = useState(chat.setUpNow);
  const [allowsAll, setAllowsAll] = useState(tools === null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const field = useFocus<HTMLTextAreaElement>();
  const outside = useOutside();
  const known = namesIn(...OWN_TOOLS.keys(), ...outside, ...(tools ?? []));
  const save = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    setProblem(null);
    setBusy(true);
    try {
      await chat.trySetUp({
        system_prompt: String(data.get('instructions')).trim() || null,
        tools: allowsAll ? null : namesIn(...data.getAll('tool').map(String), String(data.get('others'))),
      });
      say(chat.conversation.value ? 'Saved, from the next question on.' : 'Kept for the first question.');
      // Closed so, it gives the keyboard back to where it was.
      form.closest('dialog')?.close();
    } catch (error) {
      setProblem(describe(error));
      setBusy(false);
    }
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void save(event.currentTarget);
      }}
    >
      <label>
        Instructions for the answers
        <textarea
          name="instructions"
          ref={field}
          rows={6}
          maxLength={MOST}
          placeholder="Answer in one sentence, for people who are new here."
          aria-describedby="instructions-hint"
          defaultValue={system_prompt ?? ''}
        />
      </label>
      <p id="instructions-hint" class="quiet">For this conversation, in at most {MOST.toLocaleString('en')} characters. Claims are checked against your documents all the same.</p>
      <fieldset>
        <legend>Tools that may be called</legend>
        <label class="check">
          <input type="checkbox" checked={allowsAll} onChange={(event) => setAllowsAll(event.currentTarget.checked)} />
          All that there are
        </label>
        {!allowsAll && (
          <>
            {known.map((name) => (
              <label key={name} class="check">
                <input type="checkbox" name="tool" value={name} defaultChecked={tools === null || tools.includes(name)} />
                <span class="grow">{OWN_TOOLS.get(name) ?? name}</span>
                {OWN_TOOLS.has(name) && <code class="quiet">{name}</code>}
              </label>
            ))}
            <label class="more-names">Others, by name<input name="others" maxLength={4000} autocomplete="off" spellcheck={false} /></label>
          </>
        )}
      </fieldset>
      {problem && <p class="problem" role="alert">{problem}</p>}
      <div class="actions"><button type="submit" class="button primary" disabled={busy}>Save</button></div>
    </form>
  );
}

/** Names of tools of other servers, for those who may see them. */
function useOutside(): string[] {
  const [names, setNames] = useState<string[]>([]);
  useEffect(() => {
    if (me()?.role !== 'admin') return;
    // Who does not get them can write their names.
    outsideTools().then((all) => setNames(all.filter((one) => one.trusted).map((one) => one.name)), () => {});
  }, []);
  return names;
}
