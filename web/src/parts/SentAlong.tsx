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
      {parts.map((part, at) => (
        <li key={at} class="picture">
          <img src={`data:${part.media_type};base64,${part.base64}`} alt={`Picture ${at + 1}`} />
          {onDrop && (
            <button type="button" class="icon-button" aria-label={`Take out picture ${at + 1}`} title="Take out" onClick={() => onDrop(part)}>
              <Icon name="close" />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
