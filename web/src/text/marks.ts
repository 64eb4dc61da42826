// Signs that stand for citations and for the ends of unsupported claims while
// an answer goes through the Markdown lexer. They are punctuation to it, as the
// brackets that they stand for, so that emphasis around them stays what it was.
// Where a text holds them itself, they travel as private characters.

export const CITE_OPEN = '\u2E20';
export const CITE_CLOSE = '\u2E21';
export const UNSUPPORTED_OPEN = '\u2E22';
export const UNSUPPORTED_CLOSE = '\u2E23';

/** A half-open range in code points. */
export interface Range {
  start: number;
  end: number;
}

/** Signs at a line's start that make it a list, a heading, a quotation or a row. */
const BLOCK_MARKERS = /^(?:\s|[-*+](?=\s)|\d{1,9}[.)](?=\s)|#{1,6}(?=\s)|>|\|)*/;

/** An answer's words with its citations and unsupported claims marked. */
export function mark(text: string, cited: ReadonlySet<number>, unsupported: readonly Range[]): string {
  const points = Array.from(text, guard);
  const opens = new Set<number>();
  const closes = new Set<number>();
  for (const range of joined(points, unsupported)) {
    const lines = byLine(points, range);
    for (const { start } of lines) opens.add(start);
    const last = lines.at(-1);
    if (last) closes.add(last.end);
  }
  let marked = '';
  for (let at = 0; at <= points.length; at++) {
    if (closes.has(at)) marked += UNSUPPORTED_CLOSE;
    if (opens.has(at)) marked += UNSUPPORTED_OPEN;
    marked += points[at] ?? '';
  }
  return marked.replace(/\[(\d{1,4})\]/g, (whole, n: string) =>
    cited.has(Number(n)) ? `${CITE_OPEN}${n}${CITE_CLOSE}` : whole);
}

/** The text as it was, without marks of unsupported claims. */
export function unmark(text: string): string {
  return restore(text
    .replace(/[\u2E22\u2E23]/g, '')
    .replaceAll(CITE_OPEN, '[')
    .replaceAll(CITE_CLOSE, ']'));
}

/** Gives a text's own signs back. */
export function restore(text: string): string {
  return text.replace(/[\uE2E0-\uE2E3]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xe2e0 + 0x2e20));
}

function guard(point: string): string {
  const code = point.charCodeAt(0);
  return code >= 0x2e20 && code <= 0x2e23 ? String.fromCharCode(code - 0x2e20 + 0xe2e0) : point;
}

/** Ranges with nothing but spaces between them are one. */
function joined(points: readonly string[], ranges: readonly Range[]): Range[] {
  const all: Range[] = [];
  for (const range of ranges.toSorted((one, other) => one.start - other.start)) {
    const last = all.at(-1);
    const isNext = last && /^[^\S\n]*$/.test(points.slice(last.end, range.start).join(''));
    if (isNext) last.end = Math.max(last.end, range.end);
    else all.push({ ...range });
  }
  return all;
}

/** The range line by line, without what makes the lines blocks, and without spaces around. */
function byLine(points: readonly string[], { start, end }: Range): Range[] {
  const ranges: Range[] = [];
  let from = start;
  const last = Math.min(end, points.length);
  while (from < last) {
    let to = points.indexOf('\n', from);
    if (to < 0 || to > last) to = last;
    const atLineStart = from === 0 || points[from - 1] === '\n';
    const line = points.slice(from, to).join('');
    const skipped = atLineStart ? (BLOCK_MARKERS.exec(line)?.[0].length ?? 0) : line.length - line.trimStart().length;
    let close = to;
    while (close > from && /[\s|]/.test(points[close - 1] ?? '')) close -= 1;
    // Markers are single units, so units and code points agree here.
    if (from + skipped < close) ranges.push({ start: from + skipped, end: close });
    from = to + 1;
  }
  return ranges;
}
