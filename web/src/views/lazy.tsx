import type { ComponentType, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { complain } from '../state/notices';

/** A part of the page that is fetched when it is first shown. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => VNode {
  let Loaded: ComponentType<P> | null = null;
  return function Lazy(props: P): VNode {
    const [, setReady] = useState(Loaded !== null);
    const fetch = (): void => {
      load().then(
        (component) => {
          Loaded = component;
          setReady(true);
        },
        // A new version of the page has other names for its parts.
        () => complain(new Error('This part of the page could not be loaded. Reload the page.'), fetch),
      );
    };
    useEffect(() => {
      if (!Loaded) fetch();
    }, []);
    return Loaded ? <Loaded {...props} /> : <p class="waiting" role="status">Loading…</p>;
  };
}
