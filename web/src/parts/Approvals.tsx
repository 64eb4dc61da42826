import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Approval, Message } from '../api/types';
import type { Step } from '../state/answer';
import * as chat from '../state/chat';
import { pretty } from './Steps';

/** What an answer wants to do that changes something, until somebody decides. */
export function Approvals({ message, steps }: { message: Message; steps: Step[] }): VNode | null {
  if (message.status !== 'running') return null;
  const done = new Set(message.parts.map((part) => (part.type === 'tool_result' ? part.id : '')));
  const open = steps.flatMap((step) => (step.is === 'approval' && !done.has(step.call) ? [step.approval] : []));
  return <>{open.map((approval) => <OneApproval key={approval.id} message={message} approval={approval} />)}</>;
}

function OneApproval({ message, approval }: { message: Message; approval: Approval }): VNode {
  const [decided, setDecided] = useState<boolean | null>(null);
  const decide = (approve: boolean): void => {
    setDecided(approve);
    void chat.decide(message, approval.id, approve);
  };
  const until = new Date(approval.expires_at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return (
    <section class="approval" role="group" aria-label={`Permission for ${approval.tool}`}>
      <h3>May <code>{approval.tool}</code> be used?</h3>
      <p class="quiet">It changes something. Without a yes until {until} it is not done.</p>
      <pre tabIndex={0} aria-label="What it is called with">{pretty(approval.arguments)}</pre>
      {decided === null
        ? (
          <div class="actions">
            <button type="button" class="button" onClick={() => decide(false)}>No</button>
            <button type="button" class="button primary" onClick={() => decide(true)}>Yes, once</button>
          </div>
        )
        : <p role="status">{decided ? 'Allowed.' : 'Refused.'}</p>}
    </section>
  );
}
