import type { VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { Notices } from './parts/Notices';
import { loadCollections, loadModels } from './state/library';
import { session, start } from './state/session';
import { Shell } from './views/Shell';
import { SignIn } from './views/SignIn';

/** The page: the door, or what lies behind it. */
export function App(): VNode {
  const now = session.value;
  const isIn = now.is === 'in';
  useEffect(() => {
    if (!isIn) return;
    void loadCollections();
    void loadModels();
  }, [isIn]);
  return (
    <>
      {now.is === 'starting' && <p class="waiting" role="status">Opening…</p>}
      {now.is === 'unreachable' && (
        <main class="waiting">
          <p role="alert">{now.problem}</p>
          <button type="button" class="button" onClick={() => void start()}>Try again</button>
        </main>
      )}
      {now.is === 'out' && <SignIn said={now.said} />}
      {now.is === 'in' && <Shell me={now.me} />}
      <Notices />
    </>
  );
}
