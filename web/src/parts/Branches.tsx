import type { VNode } from 'preact';
import type { Message } from '../api/types';
import * as chat from '../state/chat';
import { siblings } from '../state/tree';
import { Icon } from './Icon';

/** Switches between versions of a question or of an answer. */
export function Branches({ message }: { message: Message }): VNode | null {
  const all = siblings(chat.messages.value, message);
  const at = all.findIndex((one) => one.id === message.id);
  if (all.length < 2) return null;
  const step = (to: number, label: string, icon: 'back' | 'next'): VNode => {
    const other = all[to];
    return (
      <button
        type="button"
        class="icon-button"
        aria-label={label}
        title={label}
        disabled={!other}
        onClick={() => other && chat.showBranch(other)}
      >
        <Icon name={icon} />
      </button>
    );
  };
  return (
    <span class="branches" role="group" aria-label="Versions">
      {step(at - 1, 'Earlier version', 'back')}
      <span class="count">{at + 1}<span aria-hidden="true">/</span><span class="hidden"> of </span>{all.length}</span>
      {step(at + 1, 'Later version', 'next')}
    </span>
  );
}
