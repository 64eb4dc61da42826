const KNOWN = /&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});/g;

/** A text with HTML's character references as characters. The parser gets nothing but one reference at a time. */
export function decode(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(KNOWN, (reference) =>
    new DOMParser().parseFromString(reference, 'text/html').body.textContent || reference);
}
