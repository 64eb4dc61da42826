import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import * as chat from '../state/chat';
import { Answer } from './Answer';
import { Icon } from './Icon';
import { Question } from './Question';
import { SentAlong } from './SentAlong';

/** How near to its end a list counts as being at it, in pixels. */
const NEAR = 48;

/** The branch that is shown. It follows a growing answer until its reader scrolls up. */
export function Thread(): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const sticks = useRef(true);
  const height = useRef(0);
  const [isAway, setAway] = useState(false);
  const { path, sending, answers } = chat;

  const toEnd = (): void => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  useEffect(() => {
    sticks.current = true;
    toEnd();
  }, [chat.conversation.value?.id, sending.value?.key]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (sticks.current) toEnd();
    else if (element) setAway(distance(element) > NEAR);
    height.current = element?.scrollTop ?? 0;
  }, [path.value, answers.value, sending.value]);
  const onScroll = (): void => {
    const element = scroller.current;
    if (!element) return;
    // Upwards is the reader; downwards may be the answer that grows.
    if (element.scrollTop < height.current - 2) sticks.current = false;
    if (distance(element) <= NEAR) sticks.current = true;
    height.current = element.scrollTop;
    setAway(!sticks.current);
  };
  return (
    <div class="thread-frame">
      <div class="thread" ref={scroller} onScroll={onScroll} tabIndex={0} role="region" aria-label="Conversation">
        <ol class="messages">
          {path.value.map((message) => (
            <li key={message.id} id={`m-${message.id}`} class={message.role}>
              {message.role === 'user' ? <Question message={message} /> : <Answer message={message} />}
            </li>
          ))}
          {sending.value && <li class="user"><Sending /></li>}
        </ol>
      </div>
      {isAway && (
        <button
          type="button"
          class="to-end"
          aria-label="To the end of the conversation"
          onClick={() => {
            sticks.current = true;
            setAway(false);
            toEnd();
          }}
        >
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function distance(element: HTMLElement): number {
  return element.scrollHeight - element.scrollTop - element.clientHeight;
}

function Sending(): VNode | null {
  const question = chat.sending.value;
  if (!question) return null;
  return (
    <article class="question" aria-label="Your question">
      <SentAlong parts={question.along} />
      <div class="words">{question.content}</div>
      {question.problem
        ? (
          <div class="problem" role="alert">
            <p>{question.problem}</p>
            <button type="button" class="button" onClick={() => void chat.sendAgain()}>Try again</button>
            {question.along.some((part) => part.type === 'image') && (
              <button type="button" class="button" onClick={() => void chat.sendWithoutPictures()}>Ask without the pictures</button>
            )}
            <button type="button" class="link-button" onClick={chat.giveUpSending}>Discard</button>
          </div>
        )
        : <p class="activity" role="status">Sending…</p>}
    </article>
  );
}
