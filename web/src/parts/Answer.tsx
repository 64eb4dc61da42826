import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { Citation, Message, Part } from '../api/types';
import { citationsOf, textOf } from '../state/answer';
import * as chat from '../state/chat';
import { Artifacts } from './Artifacts';
import { Approvals } from './Approvals';
import { Branches } from './Branches';
import { CopyButton } from './CopyButton';
import { Icon } from './Icon';
import { Markdown } from './Markdown';
import { Pill } from './Pill';
import { Sources } from './Sources';
import { Steps } from './Steps';
import { Votes } from './Votes';

type Notice = Extract<Part, { type: 'notice' }>;

/** An answer with how it came about, its words, and what backs them. */
export function Answer({ message }: { message: Message }): VNode {
  const live = chat.answers.value.get(message.id);
  const citations = useMemo(() => citationsOf(message), [message]);
  const isRunning = message.status === 'running';
  const notices = message.parts.filter((part): part is Notice => part.type === 'notice');
  const isAbsent = notices.some((notice) => notice.code === 'not_in_documents');
  return (
    <article class="answer" aria-label="Answer" aria-busy={isRunning}>
      <Steps message={message} steps={live?.steps ?? []} />
      {isAbsent
        ? <Absent message={message} citations={citations} />
        : <Words message={message} citations={citations} />}
      <Approvals message={message} steps={live?.steps ?? []} />
      <Artifacts message={message} />
      <Outcome message={message} problem={live?.problem?.message ?? null} />
      {notices.filter((notice) => notice.code !== 'not_in_documents').map((notice) => (
        <p key={notice.code} class={notice.code === 'unsupported' ? 'remark warn' : 'remark'}>
          {notice.code === 'unsupported' ? unsupportedWords(message) : notice.text}
        </p>
      ))}
      {!isRunning && <Sources citations={citations} />}
      {!isRunning && <Tools message={message} />}
    </article>
  );
}

function unsupportedWords(message: Message): string {
  const count = message.parts.filter((part) => part.type === 'unsupported').length;
  return count === 1
    ? 'One claim of this answer was not found in the sources.'
    : `${count} claims of this answer were not found in the sources.`;
}

function Words({ message, citations }: { message: Message; citations: Citation[] }): VNode | null {
  const text = textOf(message);
  const byNumber = useMemo(() => new Map(citations.map((one) => [one.n, one])), [citations]);
  const unsupported = message.parts.filter((part) => part.type === 'unsupported');
  if (text === '') return null;
  return (
    <Markdown
      text={text}
      growing={message.status === 'running'}
      cited={new Set(byNumber.keys())}
      unsupported={unsupported}
      cite={(n) => <Pill citation={byNumber.get(n)} n={n} />}
    />
  );
}

/** Said plainly, and not made to look like an answer. */
function Absent({ message, citations }: { message: Message; citations: Citation[] }): VNode {
  return (
    <section class="absent" role="note">
      <h3><Icon name="search" /> Not in the documents</h3>
      <Words message={message} citations={citations} />
      <p class="quiet">Put the question in other words, choose other collections, or add a document that holds the answer.</p>
    </section>
  );
}

/** How an answer ended, where it did not end well. */
function Outcome({ message, problem }: { message: Message; problem: string | null }): VNode | null {
  const again = (
    <button type="button" class="button" onClick={() => void chat.regenerate(message)}>Answer again</button>
  );
  switch (message.status) {
    case 'cancelled':
      return <p class="remark">Stopped.</p>;
    case 'interrupted':
      return (
        <div class="problem" role="alert">
          <p>The answer broke off{problem ? `: ${problem}` : '. What there is of it is kept.'}</p>
          {again}
        </div>
      );
    case 'failed':
      return (
        <div class="problem" role="alert">
          <p>{problem ? `No answer: ${problem}` : 'The answer could not be made.'}</p>
          {again}
        </div>
      );
    default:
      return null;
  }
}

function Tools({ message }: { message: Message }): VNode {
  return (
    <div class="tools">
      <Branches message={message} />
      <CopyButton text={() => textOf(message)} label="Copy the answer" />
      <button
        type="button"
        class="icon-button"
        aria-label="Answer again"
        title="Answer again"
        disabled={chat.running.value !== null}
        onClick={() => void chat.regenerate(message)}
      >
        <Icon name="redo" />
      </button>
      <Votes message={message} />
      {message.model && <span class="model">{message.model}</span>}
    </div>
  );
}
