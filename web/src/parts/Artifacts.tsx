import type { VNode } from 'preact';
import type { Message, Part } from '../api/types';
import { open } from '../state/panel';
import { Icon } from './Icon';

type Made = Extract<Part, { type: 'artifact' }>;

/** What an answer made: the last version of each. */
export function Artifacts({ message }: { message: Message }): VNode | null {
  const latest = new Map<string, Made>();
  for (const part of message.parts) if (part.type === 'artifact') latest.set(part.id, part);
  if (latest.size === 0) return null;
  return (
    <ul class="artifacts">
      {[...latest.values()].map(({ id, title, kind, version }) => (
        <li key={id}>
          <button type="button" onClick={() => open({ is: 'artifact', id, title })}>
            <Icon name="book" /> <span>{title}</span> <span class="quiet">{kind}, version {version}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
