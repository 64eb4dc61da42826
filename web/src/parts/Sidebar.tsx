import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Conversation, Me } from '../api/types';
import { drawer } from '../state/drawer';
import * as history from '../state/history';
import { route, toCollection, toConversation } from '../state/route';
import { ConversationItem } from './ConversationItem';
import { Icon, type IconName } from './Icon';

/** Conversations, and the ways to everything else. */
export function Sidebar({ me }: { me: Me }): VNode {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    void history.load();
  }, []);
  const search = (words: string): void => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => void history.search(words), 200);
  };
  const now = route.value;
  const current = now.view === 'chat' ? now.conversation : null;
  return (
    <nav class="sidebar" aria-label="Conversations and settings">
      <header>
        <a class="wordmark" href={toConversation(null)}>Footnote<sup>1</sup></a>
        <button type="button" class="icon-button drawer-button" aria-label="Close" onClick={() => { drawer.value = false; }}>
          <Icon name="close" />
        </button>
      </header>
      <a class="button new" href={toConversation(null)}><Icon name="plus" /> New conversation</a>
      <label class="search">
        <Icon name="search" />
        <span class="hidden">Search conversations</span>
        <input type="search" placeholder="Search conversations" maxLength={200} onInput={(event) => search(event.currentTarget.value)} />
      </label>
      <div class="conversations">{history.found.value ? <Found current={current} /> : <Listed current={current} />}</div>
      <ul class="places">
        <Place icon="book" label="Documents" to={toCollection(null)} isHere={now.view === 'collections'} />
        <Place icon="chart" label="Usage" to="#/usage" isHere={now.view === 'usage'} />
        {me.role === 'admin' && <Place icon="shield" label="Administration" to="#/admin" isHere={now.view === 'admin'} />}
        <Place icon="gear" label={me.kind === 'guest' ? 'Guest, settings' : `${me.name}, settings`} to="#/settings" isHere={now.view === 'settings'} />
      </ul>
    </nav>
  );
}

function Place({ icon, label, to, isHere }: { icon: IconName; label: string; to: string; isHere: boolean }): VNode {
  return (
    <li>
      <a href={to} aria-current={isHere ? 'page' : undefined}>
        <Icon name={icon} /> <span>{label}</span>
      </a>
    </li>
  );
}

function Listed({ current }: { current: string | null }): VNode {
  const { listed, more, archived } = history;
  return (
    <>
      {byDay(listed.value).map(([day, those]) => (
        <section key={day}>
          <h2>{archived.value ? `Archived · ${day}` : day}</h2>
          <ul>
            {those.map((one) => <ConversationItem key={one.id} conversation={one} isOpen={one.id === current} />)}
          </ul>
        </section>
      ))}
      {listed.value.length === 0 && (
        <p class="quiet">{archived.value ? 'Nothing is archived.' : 'What you ask is kept here.'}</p>
      )}
      {more.value && (
        <button type="button" class="link-button" onClick={() => void history.load(true)}>Show more</button>
      )}
      <button
        type="button"
        class="link-button quiet"
        onClick={() => {
          archived.value = !archived.value;
          void history.load();
        }}
      >
        {archived.value ? 'Back to the others' : 'Archived conversations'}
      </button>
    </>
  );
}

function Found({ current }: { current: string | null }): VNode {
  const found = history.found.value ?? [];
  return (
    <section aria-live="polite">
      <h2>{found.length === 0 ? 'Nothing found' : `Found ${found.length}`}</h2>
      <ul>
        {found.map((hit) => (
          <ConversationItem
            key={hit.conversation.id}
            conversation={hit.conversation}
            isOpen={hit.conversation.id === current}
            snippet={hit.message_id ? hit.snippet : undefined}
          />
        ))}
      </ul>
    </section>
  );
}

function byDay(conversations: readonly Conversation[]): [string, Conversation[]][] {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const day = 86_400_000;
  const groups = new Map<string, Conversation[]>();
  for (const one of conversations) {
    const used = Date.parse(one.updated_at);
    const name = used >= midnight ? 'Today' : used >= midnight - day ? 'Yesterday'
      : used >= midnight - 6 * day ? 'This week' : 'Earlier';
    groups.set(name, [...(groups.get(name) ?? []), one]);
  }
  return [...groups];
}
