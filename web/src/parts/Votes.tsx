import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import * as api from '../api/conversations';
import type { Message } from '../api/types';
import * as chat from '../state/chat';
import { complain, say } from '../state/notices';
import { Dialog } from './Dialog';
import { Icon } from './Icon';

const REASONS = ['Wrong', 'Not what I asked', 'Source does not say so', 'Incomplete', 'Too long'];

/** What its reader thinks of an answer. */
export function Votes({ message }: { message: Message }): VNode {
  const [isAsking, setAsking] = useState(false);
  const vote = message.feedback?.vote ?? null;
  const give = async (opinion: Parameters<typeof api.vote>[2]): Promise<void> => {
    try {
      chat.replace(await api.vote(message.conversation_id, message.id, opinion));
      say(opinion.vote ? 'Thank you.' : 'Taken back.');
    } catch (error) {
      complain(error);
    }
  };
  return (
    <>
      <button
        type="button"
        class="icon-button"
        aria-label="This helped"
        title="This helped"
        aria-pressed={vote === 'up'}
        onClick={() => void give({ vote: vote === 'up' ? null : 'up' })}
      >
        <Icon name="thumb_up" />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="This did not help"
        title="This did not help"
        aria-pressed={vote === 'down'}
        onClick={() => (vote === 'down' ? void give({ vote: null }) : setAsking(true))}
      >
        <Icon name="thumb_down" />
      </button>
      {isAsking && (
        <Dialog title="What was wrong?" onClose={() => setAsking(false)}>
          <Why
            onSend={(reasons, comment) => {
              setAsking(false);
              void give({ vote: 'down', reasons, ...(comment ? { comment } : {}) });
            }}
          />
        </Dialog>
      )}
    </>
  );
}

function Why({ onSend }: { onSend: (reasons: string[], comment: string) => void }): VNode {
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        onSend(form.getAll('reason').map(String), String(form.get('comment') ?? '').trim());
      }}
    >
      <fieldset>
        <legend class="hidden">Reasons</legend>
        {REASONS.map((reason) => (
          <label key={reason} class="check"><input type="checkbox" name="reason" value={reason} /> {reason}</label>
        ))}
      </fieldset>
      <label>
        In your words (optional)
        <textarea name="comment" rows={3} maxLength={4000} />
      </label>
      <div class="actions"><button type="submit" class="button primary">Send</button></div>
    </form>
  );
}
