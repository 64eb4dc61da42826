// The service counts Unicode code points; JavaScript counts UTF-16 units.

/** Code points of a text. */
export function length(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += unitsAt(text, at)) count += 1;
  return count;
}

/** The code points `[start, end)`. */
export function slice(text: string, start: number, end = Number.POSITIVE_INFINITY): string {
  const from = unitOf(text, start);
  return text.slice(from, end === Number.POSITIVE_INFINITY ? undefined : unitOf(text, end));
}

/** What lies before, in and after the code points `[start, end)`. */
export function cut(text: string, start: number, end: number): [string, string, string] {
  const from = unitOf(text, start);
  const to = Math.max(from, unitOf(text, end));
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}

/** The UTF-16 unit at which a code point starts; the text's length beyond its end. */
export function unitOf(text: string, point: number): number {
  let at = 0;
  for (let count = 0; count < point && at < text.length; count++) at += unitsAt(text, at);
  return at;
}

function unitsAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}
