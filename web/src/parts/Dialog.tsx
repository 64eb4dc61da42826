import { signal } from '@preact/signals';
import type { ComponentChildren, VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from './Icon';

interface DialogProps {
  title: string;
  children: ComponentChildren;
  onClose: () => void;
}

/** A dialog that holds the focus until it is closed. */
export function Dialog({ title, children, onClose }: DialogProps): VNode {
  const element = useRef<HTMLDialogElement>(null);
  // Who selects words and lets go beside the dialog does not want to leave it.
  const beganBeside = useRef(false);
  // Before what stands in it takes the keyboard.
  useLayoutEffect(() => {
    element.current?.showModal();
  }, []);
  return (
    <dialog
      ref={element}
      aria-label={title}
      onClose={onClose}
      onPointerDown={(event) => {
        beganBeside.current = event.target === element.current;
      }}
      onClick={(event) => beganBeside.current && event.target === element.current && element.current?.close()}
    >
      <div class="dialog">
        <header>
          <h2>{title}</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={() => element.current?.close()}>
            <Icon name="close" />
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface Asked {
  title: string;
  text: string;
  action: string;
  answer: (yes: boolean) => void;
}

const asked = signal<Asked | null>(null);

/** Asks before something is done that cannot be undone. */
export function confirmed(title: string, text: string, action: string): Promise<boolean> {
  return new Promise((answer) => {
    asked.value = { title, text, action, answer };
  });
}

/** Where the page asks; it stands once, beside everything else. */
export function Confirmation(): VNode | null {
  const question = asked.value;
  if (!question) return null;
  const answer = (yes: boolean): void => {
    asked.value = null;
    question.answer(yes);
  };
  return (
    <Dialog title={question.title} onClose={() => answer(false)}>
      <p>{question.text}</p>
      <div class="actions">
        <button type="button" class="button" onClick={() => answer(false)}>Keep</button>
        <button type="button" class="button danger" onClick={() => answer(true)}>{question.action}</button>
      </div>
    </Dialog>
  );
}
