import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { picture as load } from '../api/conversations';
import { ApiError } from '../api/errors';
import type { Along, Picture } from '../state/along';
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
            <Thumb picture={part} name={`Picture ${at + 1}`} />
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

/** How often a picture is asked for. */
const TRIES = 4;

/** A picture; one that is somewhere else is loaded when it is about to be seen. */
function Thumb({ picture, name }: { picture: Picture; name: string }): VNode {
  const image = useRef<HTMLImageElement>(null);
  const [loaded, setLoaded] = useState<string | undefined>();
  const { base64, media_type, url } = picture;
  useEffect(() => {
    const element = image.current;
    if (!element || base64 !== undefined || url === undefined) return;
    const leaving = new AbortController();
    let made: string | undefined;
    let tries = 0;
    let pause: ReturnType<typeof setTimeout> | undefined;
    const near = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      near.disconnect();
      load(url, leaving.signal).then((bytes) => {
        if (leaving.signal.aborted) return;
        made = URL.createObjectURL(bytes);
        setLoaded(made);
      }).catch((error: unknown) => {
        // Its name stands in its place.
        tries += 1;
        const passes = error instanceof ApiError && error.passes && tries < TRIES;
        if (!passes || leaving.signal.aborted) return;
        pause = setTimeout(() => near.observe(element), (error.retryAfter ?? 2 ** tries) * 1000);
      });
    }, { rootMargin: '400px' });
    near.observe(element);
    return () => {
      near.disconnect();
      leaving.abort();
      clearTimeout(pause);
      setLoaded(undefined);
      if (made !== undefined) URL.revokeObjectURL(made);
    };
  }, [base64, url]);
  return <img ref={image} src={base64 === undefined ? loaded : `data:${media_type};base64,${base64}`} alt={name} />;
}

function TakeOut({ what, act }: { what: string; act: () => void }): VNode {
  return (
    <button type="button" class="icon-button" aria-label={`Take out ${what}`} title="Take out" onClick={act}>
      <Icon name="close" />
    </button>
  );
}
