import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import * as api from '../api/conversations';
import type { Conversation } from '../api/types';
import * as chat from '../state/chat';
import { save } from '../state/download';
import * as history from '../state/history';
import { complain, say } from '../state/notices';
import { go, toConversation } from '../state/route';
import { confirmed } from './Dialog';
import { useFocus } from './focus';
import { type Choice, Menu } from './Menu';

interface ItemProps {
  conversation: Conversation;
  isOpen: boolean;
  snippet?: string | undefined;
}

/** One conversation of the list. */
export function ConversationItem({ conversation, isOpen, snippet }: ItemProps): VNode {
  const [isNaming, setNaming] = useState(false);
  if (isNaming) return <li><Naming conversation={conversation} onEnd={() => setNaming(false)} /></li>;
  return (
    <li class="conversation">
      <a href={toConversation(conversation.id)} aria-current={isOpen ? 'page' : undefined}>
        <span class="title">{conversation.title}</span>
        {snippet && <span class="snippet">{marked(snippet)}</span>}
      </a>
      <Menu label={`More for ${conversation.title}`} icon="more" choices={choicesFor(conversation, () => setNaming(true))} />
    </li>
  );
}

/** What can be done with a conversation. */
export function choicesFor(conversation: Conversation, rename: (() => void) | null): Choice[] {
  const { id, title, archived_at } = conversation;
  const isArchived = archived_at !== null;
  return [
    ...(rename ? [{ label: 'Rename', icon: 'edit', act: rename } as const] : []),
    { label: 'Export as Markdown', icon: 'download', act: () => void take(id, 'markdown') },
    { label: 'Export as JSON', icon: 'download', act: () => void take(id, 'json') },
    {
      label: isArchived ? 'Take out of the archive' : 'Archive',
      icon: 'archive',
      act: () => void archive(id, !isArchived),
    },
    { label: 'Delete', icon: 'trash', danger: true, act: () => void remove(id, title) },
  ];
}

async function archive(id: string, archived: boolean): Promise<void> {
  await history.change(id, { archived });
  if (archived) say('Archived. It stays searchable.');
}

async function take(id: string, format: 'markdown' | 'json'): Promise<void> {
  try {
    await save(await api.exported(id, format), format === 'json' ? 'conversation.json' : 'conversation.md');
  } catch (error) {
    complain(error);
  }
}

async function remove(id: string, title: string): Promise<void> {
  if (!(await confirmed('Delete this conversation?', `“${title}” and its answers cannot be brought back.`, 'Delete'))) return;
  if ((await history.remove(id)) && chat.conversation.value?.id === id) {
    chat.close();
    go('#/');
  }
}

/** A field for a new title. */
export function Naming({ conversation, onEnd }: { conversation: Conversation; onEnd: () => void }): VNode {
  const field = useFocus<HTMLInputElement>(true);
  const end = (title: string | null): void => {
    const next = title?.trim();
    if (next && next !== conversation.title) {
      void history.change(conversation.id, { title: next });
      const open = chat.conversation.value;
      if (open?.id === conversation.id) chat.conversation.value = { ...open, title: next };
    }
    onEnd();
  };
  return (
    <input
      class="naming"
      aria-label="Title"
      maxLength={200}
      defaultValue={conversation.title}
      ref={field}
      onBlur={(event) => end(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur();
        else if (event.key === 'Escape') {
          event.preventDefault();
          event.currentTarget.value = conversation.title;
          event.currentTarget.blur();
        }
      }}
    />
  );
}

/** A snippet, with what was looked for between double stars. */
function marked(snippet: string): (string | VNode)[] {
  return snippet.split('**').map((piece, at) => (at % 2 === 1 ? <mark key={at}>{piece}</mark> : piece));
}
