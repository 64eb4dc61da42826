import type { VNode } from 'preact';
import type { Along } from '../state/along';
import { Icon } from './Icon';

interface SentAlongProps {
  parts: readonly Along[];
  /** Takes one out; what was sent stays as it is. */
  onDrop?: (part: Along) => void;
}

/** What is sent along with a question. */
export function SentAlong({ parts, onDrop }: SentAlongProps): VNode | null {
  if (parts.length === 0) return null;
  return (
    <ul class="along" aria-label="Sent along">
      {parts.map((part, at) => (part.type === 'image'
        ? (
          <li key={at} class="thumb">
            <img src={`data:${part.media_type};base64,${part.base64}`} alt={`Picture ${at + 1}`} />
            {onDrop && <TakeOut what={`picture ${at + 1}`} act={() => onDrop(part)} />}
          </li>
        )
        : (
          <li key={at} class="named">
            <Icon name="book" /> <span>{part.title}</span>
            {onDrop && <TakeOut what={part.title} act={() => onDrop(part)} />}
          </li>
        )))}
    </ul>
  );
}

function TakeOut({ what, act }: { what: string; act: () => void }): VNode {
  return (
    <button type="button" class="icon-button" aria-label={`Take out ${what}`} title="Take out" onClick={act}>
      <Icon name="close" />
    </button>
  );
}
