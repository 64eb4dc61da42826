import type { VNode } from 'preact';
import { lazy } from './lazy';
import { useEffect } from 'preact/hooks';
import type { Me } from '../api/types';
import { Confirmation } from '../parts/Dialog';
import { HoverCard } from '../parts/HoverCard';
import { Pane } from '../parts/Pane';
import { Sidebar } from '../parts/Sidebar';
import { running, stop } from '../state/chat';
import { drawer } from '../state/drawer';
import * as panel from '../state/panel';
import { route } from '../state/route';
import { Chat } from './Chat';
import { SourcePage } from './SourcePage';

const Collections = lazy(async () => (await import('./Collections')).Collections);
const Usage = lazy(async () => (await import('./Usage')).Usage);
const Settings = lazy(async () => (await import('./Settings')).Settings);
const Admin = lazy(async () => (await import('./Admin')).Admin);

/** The page of somebody who is signed in. */
export function Shell({ me }: { me: Me }): VNode {
  const now = route.value;
  useEffect(() => {
    drawer.value = false;
    if (now.view !== 'chat') panel.panel.value = null;
  }, [now]);
  const isOver = drawer.value;
  useEffect(() => {
    if (!isOver) return;
    document.querySelector<HTMLElement>('.sidebar .new')?.focus();
    return () => document.querySelector<HTMLElement>('main .drawer-button')?.focus();
  }, [isOver]);
  useEffect(() => {
    document.addEventListener('keydown', onEscape);
    return () => document.removeEventListener('keydown', onEscape);
  }, []);
  if (now.view === 'source') return <SourcePage revision={now.revision} start={now.start} end={now.end} />;
  return (
    <div class={`shell${panel.panel.value ? ' with-pane' : ''}${isOver ? ' with-drawer' : ''}`}>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      <Sidebar me={me} />
      {isOver && <div class="backdrop" onClick={() => { drawer.value = false; }} />}
      <main id="main" tabIndex={-1} inert={isOver}>
        {now.view === 'chat' && <Chat conversation={now.conversation} />}
        {now.view === 'collections' && <Collections chosen={now.collection} />}
        {now.view === 'usage' && <Usage />}
        {now.view === 'settings' && <Settings me={me} />}
        {now.view === 'admin' && (me.role === 'admin' ? <Admin me={me} /> : <p class="waiting">Only for administrators.</p>)}
      </main>
      {panel.panel.value && <Pane shown={panel.panel.value} />}
      <HoverCard />
      <Confirmation />
    </div>
  );
}

/** The fragment means a view here, so the focus is moved by hand. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function onEscape(event: KeyboardEvent): void {
  if (event.key !== 'Escape' || event.defaultPrevented || event.isComposing) return;
  if (document.querySelector('dialog[open]')) return;
  const inPane = document.activeElement?.closest('.pane') !== null && document.activeElement !== null;
  if (drawer.value) drawer.value = false;
  else if (inPane && panel.panel.value) panel.close();
  else if (running.value) void stop();
  else if (panel.panel.value) panel.close();
  else return;
  event.preventDefault();
}
