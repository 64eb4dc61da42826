import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { addPictures, along, KINDS, takeAll, takeOut } from '../state/along';
import * as chat from '../state/chat';
import { CollectionPicker, ModelPicker } from './Pickers';
import { Icon } from './Icon';
import { SentAlong } from './SentAlong';

/** Characters of a question that the field takes. */
const MOST = 32_000;

/** Where questions are written. */
export function Composer(): VNode {
  const [words, setWords] = useState('');
  const [isOver, setOver] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const isBusy = chat.running.value !== null || (chat.sending.value !== null && chat.sending.value.problem === null);
  const named = along.value.filter((part) => part.type === 'file').length;
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
    void chat.ask(question, takeAll());
  };
  return (
    <form
      class={isOver ? 'composer over' : 'composer'}
      onDragOver={(event) => {
        if (!event.dataTransfer?.types.includes('Files')) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        if (files.length === 0) return;
        event.preventDefault();
        void addPictures(files);
      }}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <SentAlong
        parts={along.value}
        onDrop={(part) => {
          takeOut(part);
          field.current?.focus();
        }}
      />
      <p class={named > 0 ? 'alone' : 'hidden'} role="status">
        {named > 0 ? `Answered from ${named === 1 ? 'this document' : `these ${named} documents`} alone.`
          : along.value.length > 0 && `${along.value.length} sent along.`}
      </p>
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
        onPaste={(event) => {
          const pasted = event.clipboardData;
          // What has words as well, such as a table, is pasted as words.
          if (!pasted || pasted.files.length === 0 || pasted.types.includes('text/plain')) return;
          event.preventDefault();
          void addPictures([...pasted.files]);
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="settings">
        <PictureButton />
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

function PictureButton(): VNode {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class="icon-button" aria-label="Add pictures" title="Add pictures" onClick={() => input.current?.click()}>
        <Icon name="picture" />
      </button>
      <input
        ref={input}
        type="file"
        multiple
        accept={KINDS.join()}
        class="hidden"
        tabIndex={-1}
        aria-label="Pictures to send along"
        onChange={(event) => {
          void addPictures([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}

/** As high as its words, up to what the stylesheet allows. */
function fit(field: HTMLTextAreaElement): void {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight}px`;
}
