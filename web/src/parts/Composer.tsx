import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as chat from '../state/chat';
import { CollectionPicker, ModelPicker } from './Pickers';
import { Icon } from './Icon';

/** Characters of a question that the field takes. */
const MOST = 32_000;

/** Where questions are written. */
export function Composer(): VNode {
  const [words, setWords] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const isBusy = chat.running.value !== null || (chat.sending.value !== null && chat.sending.value.problem === null);
  useEffect(() => {
    // On phones the keyboard would cover the conversation.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, [chat.conversation.value?.id]);
  useEffect(() => {
    if (field.current) fit(field.current);
  }, [words]);
  const send = (): void => {
    const question = words.trim();
    if (question === '' || isBusy) return;
    setWords('');
    void chat.ask(question);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="hidden" for="question">Your question</label>
      <textarea
        id="question"
        ref={field}
        rows={1}
        maxLength={MOST}
        placeholder="Ask about your documents"
        aria-describedby="question-keys"
        value={words}
        onInput={(event) => setWords(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="settings">
        <CollectionPicker />
        <ModelPicker />
        <span id="question-keys" class="keys">{chat.running.value ? 'Esc stops' : 'Enter asks, Shift Enter begins a line'}</span>
        {chat.running.value
          ? (
            <button type="button" class="round" aria-label="Stop" title="Stop (Esc)" onClick={() => void chat.stop()}>
              <Icon name="stop" />
            </button>
          )
          : (
            <button type="submit" class="round" aria-label="Ask" title="Ask (Enter)" disabled={words.trim() === '' || isBusy}>
              <Icon name="send" />
            </button>
          )}
      </div>
    </form>
  );
}

/** As high as its words, up to what the stylesheet allows. */
function fit(field: HTMLTextAreaElement): void {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}
