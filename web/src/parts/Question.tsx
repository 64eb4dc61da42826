import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Message } from '../api/types';
import { alongOf } from '../state/along';
import { textOf } from '../state/answer';
import * as chat from '../state/chat';
import { Branches } from './Branches';
import { CopyButton } from './CopyButton';
import { useFocus } from './focus';
import { Icon } from './Icon';
import { SentAlong } from './SentAlong';

/** A question, which can be asked again in other words. */
export function Question({ message }: { message: Message }): VNode {
  const [isEdited, setEdited] = useState(false);
  const text = textOf(message);
  if (isEdited) return <Editing message={message} text={text} onEnd={() => setEdited(false)} />;
  return (
    <article class="question" aria-label="Your question">
      <SentAlong parts={alongOf(message)} />
      <div class="words">{text}</div>
      <div class="tools">
        <Branches message={message} />
        <CopyButton text={() => text} label="Copy the question" />
        <button
          type="button"
          class="icon-button"
          aria-label="Edit and ask again"
          title="Edit and ask again"
          disabled={chat.running.value !== null}
          onClick={() => setEdited(true)}
        >
          <Icon name="edit" />
        </button>
      </div>
    </article>
  );
}

function Editing({ message, text, onEnd }: { message: Message; text: string; onEnd: () => void }): VNode {
  const [words, setWords] = useState(text);
  const [along, setAlong] = useState(alongOf(message));
  const field = useFocus<HTMLTextAreaElement>();
  const send = (): void => {
    if (words.trim() === '') return;
    onEnd();
    void chat.ask(words.trim(), along, message);
  };
  return (
    <form
      class="question editing"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <SentAlong
        parts={along}
        onDrop={(part) => {
          setAlong(along.filter((other) => other !== part));
          field.current?.focus();
        }}
      />
      <textarea
        aria-label="Your question"
        rows={Math.min(10, words.split('\n').length + 1)}
        value={words}
        ref={field}
        onInput={(event) => setWords(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            send();
          } else if (event.key === 'Escape') {
            event.preventDefault();
            onEnd();
          }
        }}
      />
      <div class="actions">
        <button type="button" class="button" onClick={onEnd}>Cancel</button>
        <button type="submit" class="button primary" disabled={words.trim() === ''}>Ask</button>
      </div>
    </form>
  );
}
