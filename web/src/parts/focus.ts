import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Puts the keyboard into an element when it appears, with its words selected if wanted. */
export function useFocus<T extends HTMLInputElement | HTMLTextAreaElement>(select = false): RefObject<T | null> {
  const element = useRef<T>(null);
  useEffect(() => {
    element.current?.focus();
    if (select) element.current?.select();
  }, []);
  return element;
}
