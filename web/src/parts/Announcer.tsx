import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { citationsOf, textOf } from '../state/answer';
import * as chat from '../state/chat';
import { finished, spoken } from '../text/sentences';

/** Reads a growing answer out to screen readers, whole sentences at a time. */
export function Announcer(): VNode {
  const [said, setSaid] = useState('');
  const told = useRef({ id: '', upTo: 0 });
  const answer = chat.path.value.at(-1);
  const isRunning = answer?.status === 'running';
  useEffect(() => {
    if (!answer || answer.role !== 'assistant') return;
    if (isRunning && told.current.id !== answer.id) told.current = { id: answer.id, upTo: 0 };
    // What was there when the page was opened is read by its reader.
    if (told.current.id !== answer.id) return;
    const text = textOf(answer);
    const end = isRunning ? finished(text) : text.length;
    const words = spoken(text.slice(told.current.upTo, end));
    if (end > told.current.upTo && words) {
      told.current.upTo = end;
      setSaid(words);
    }
    if (!isRunning) {
      told.current.id = '';
      const sources = citationsOf(answer).length;
      setSaid(`${words} Answer ended${sources ? `, with ${sources} ${sources === 1 ? 'source' : 'sources'}` : ''}.`.trim());
    }
  }, [answer, isRunning]);
  return <div class="hidden" aria-live="polite" data-announcer>{said}</div>;
}
