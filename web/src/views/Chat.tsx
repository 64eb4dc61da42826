import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { DrawerButton } from '../parts/DrawerButton';
import { Announcer } from '../parts/Announcer';
import { Composer } from '../parts/Composer';
import { choicesFor, Naming } from '../parts/ConversationItem';
import { type Choice, Menu } from '../parts/Menu';
import { SetUpDialog } from '../parts/SetUpDialog';
import { Thread } from '../parts/Thread';
import * as chat from '../state/chat';
import { collections } from '../state/library';
import { toCollection } from '../state/route';

/** A conversation, or the place where one begins. */
export function Chat({ conversation }: { conversation: string | null }): VNode {
  useEffect(() => {
    if (conversation) void chat.open(conversation);
    else chat.close();
  }, [conversation]);
  const open = chat.conversation.value;
  useEffect(() => {
    document.title = open ? `${open.title} · Footnote` : 'Footnote';
  }, [open?.title]);
  const isEmpty = chat.path.value.length === 0 && !chat.sending.value;
  return (
    <div class="chat">
      <Header />
      {chat.problem.value && (
        <div class="waiting">
          <p role="alert">{chat.problem.value}</p>
          {conversation && (
            <button type="button" class="button" onClick={() => void chat.open(conversation)}>Try again</button>
          )}
        </div>
      )}
      {chat.loading.value && <p class="waiting" role="status">Loading…</p>}
      {!chat.problem.value && !chat.loading.value && (
        <div class={isEmpty ? 'room empty' : 'room'}>
          {isEmpty ? <Welcome /> : <Thread />}
          <Composer />
        </div>
      )}
      <Announcer />
    </div>
  );
}

function Header(): VNode {
  const open = chat.conversation.value;
  const [isNaming, setNaming] = useState(false);
  // The conversation whose dialog is open: another one may be opened behind it.
  const [settingUp, setSettingUp] = useState<string | null>(null);
  const which = open?.id ?? 'new';
  const choices: Choice[] = [
    { label: 'Instructions and tools', icon: 'gear', act: () => setSettingUp(which) },
    ...(open ? choicesFor(open, () => setNaming(true)) : []),
  ];
  return (
    <header class="bar">
      <DrawerButton />
      {open && isNaming
        ? <Naming conversation={open} onEnd={() => setNaming(false)} />
        : <h1>{open?.title ?? 'New conversation'}</h1>}
      {!chat.loading.value && !chat.problem.value && <Menu label="More for this conversation" icon="more" choices={choices} />}
      {settingUp === which && <SetUpDialog onClose={() => setSettingUp(null)} />}
    </header>
  );
}

function Welcome(): VNode {
  const known = collections.value;
  const documents = known?.reduce((sum, one) => sum + one.documents, 0) ?? 0;
  return (
    <div class="welcome">
      <h2>What do you want to know?</h2>
      {known && documents === 0
        ? <p>There are no documents yet. <a href={toCollection(null)}>Add some</a>, and ask about them here.</p>
        : <p class="quiet">Each claim of an answer is checked against your documents and leads to its source.</p>}
    </div>
  );
}
