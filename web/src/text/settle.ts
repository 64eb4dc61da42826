// An answer that is still being written ends anywhere: in the middle of a link,
// of `**bold`, of a table's head. What cannot be told yet is held back, what is
// open is closed, so that nothing is shown that would vanish again.

/** Signs that a held-back link may have; beyond that it is no link. */
const LONGEST_LINK = 2000;
const LONGEST_LABEL = 300;

/** The part of an unfinished text that can be shown, with what is open closed. */
export function settle(text: string): string {
  const fence = openFence(text);
  if (fence) return settleFence(text, fence);
  const held = holdBlock(text);
  const at = inlineStart(held);
  return held.slice(0, at) + settleInline(held.slice(at));
}

/** The fence that is open at the end, and where its line starts. */
function openFence(text: string): { sign: string; start: number } | null {
  let open: { sign: string; start: number } | null = null;
  let start = 0;
  for (const line of text.split('\n')) {
    const sign = /^\s*(?:(?:[-*+]|\d{1,9}[.)])\s+)*(`{3,}|~{3,})/.exec(line)?.[1];
    if (!open && sign) open = { sign, start };
    else if (open && sign && sign[0] === open.sign[0] && sign.length >= open.sign.length && line.trim() === sign) {
      open = null;
    }
    start += line.length + 1;
  }
  return open;
}

function settleFence(text: string, fence: { sign: string; start: number }): string {
  // The line that opens it names the language only once it has ended.
  if (!text.includes('\n', fence.start)) return text.slice(0, fence.start);
  const line = text.slice(text.lastIndexOf('\n') + 1);
  const mayClose = line.trim() !== '' && fence.sign.startsWith(line.trim());
  return mayClose ? text.slice(0, text.length - line.length) : text;
}

/** Without last lines that may become a heading, a list item, a rule or a table. */
function holdBlock(text: string): string {
  const start = text.lastIndexOf('\n') + 1;
  const line = text.slice(start);
  const table = tableStart(text);
  if (table !== null) return text.slice(0, table);
  const isOpen = /^\s*(?:>\s*)*(?:[-*+]|\d{1,9}[.)]?)?\s*(?:\[[ xX]?\]?)?\s*$/.test(line)
    || /^\s*(?:#{1,6}\s*|[-=_*]+\s*|`{1,2}|~{1,2}|\|\s*|[-*_](?:\s[-*_]?)+)$/.test(line);
  return isOpen ? text.slice(0, start) : text;
}

/** Where a table starts whose second line has not ended yet. */
function tableStart(text: string): number | null {
  const lines = text.split('\n');
  let first = lines.length;
  while (first > 0 && /^\s{0,3}\|/.test(lines[first - 1] ?? '')) first -= 1;
  const rows = lines.length - first;
  const isEarly = rows === 1 || rows === 2;
  const afterOneRow = rows === 0 && lines.length > 1 && lines.at(-1) === '' && /^\s{0,3}\|/.test(lines.at(-2) ?? '')
    && !/^\s{0,3}\|/.test(lines.at(-3) ?? '');
  if (afterOneRow) first = lines.length - 2;
  if (!isEarly && !afterOneRow) return null;
  return lines.slice(0, first).reduce((at, line) => at + line.length + 1, 0);
}

/** Where the last paragraph, list item, heading or cell starts. */
function inlineStart(text: string): number {
  const blank = text.lastIndexOf('\n\n') + 1;
  const line = text.lastIndexOf('\n') + 1;
  const last = text.slice(line);
  if (/^\s*\|/.test(last)) return line + last.lastIndexOf('|') + 1;
  const marker = /^\s*(?:>\s?)*(?:(?:[-*+]|\d{1,9}[.)])\s+|#{1,6}\s+)/.exec(last);
  if (marker) return line + marker[0].length;
  // A paragraph of several lines may belong to a list item further up.
  const above = text.slice(blank, line);
  const item = [...above.matchAll(/(?:^|\n)\s*(?:>\s?)*(?:(?:[-*+]|\d{1,9}[.)])\s+|#{1,6}\s+)/g)].at(-1);
  return item ? blank + (item.index ?? 0) + item[0].length : blank;
}

/** One paragraph's words, cut before what cannot be told and with open emphasis closed. */
export function settleInline(text: string): string {
  const open: string[] = [];
  let at = 0;
  while (at < text.length) {
    const sign = text[at] as string;
    if (sign === '\\') {
      if (at + 1 === text.length) return close(text.slice(0, at), open);
      at += 2;
    } else if (sign === '`') {
      const ticks = /^`+/.exec(text.slice(at))?.[0] ?? '`';
      const end = closingTicks(text, at + ticks.length, ticks.length);
      if (end === null) return openCode(text, at, ticks, open);
      at = end;
    } else if (sign === '[' || (sign === '!' && (text[at + 1] === '[' || at + 1 === text.length))) {
      const end = afterLink(text, at);
      if (end === null) return close(text.slice(0, at), open);
      at = end;
    } else if (sign === '<') {
      if (/^<(?:h?|ht|htt|https?:?[^\s>]*)$/.test(text.slice(at))) return close(text.slice(0, at), open);
      at += 1;
    } else if (sign === '*' || sign === '_' || sign === '~') {
      at = emphasis(text, at, open);
    } else {
      at += 1;
    }
  }
  return close(text.replace(/[*_~]+$/, ''), open);
}

/** After a run of emphasis signs, which opens or closes. */
function emphasis(text: string, at: number, open: string[]): number {
  const sign = text[at] as string;
  let end = at;
  while (text[end] === sign) end += 1;
  const atEnd = end === text.length;
  const before = at === 0 ? ' ' : (text[at - 1] as string);
  const mayClose = !/\s/.test(before);
  let run = text.slice(at, end);
  while (mayClose && run && open.length > 0) {
    const top = open.at(-1) as string;
    if (top[0] !== sign || top.length > run.length || (atEnd && top.length < run.length && open.length < 2)) break;
    // At the very end the run may still grow: it is given back by `close`.
    if (atEnd) return end;
    open.pop();
    run = run.slice(top.length);
  }
  if (atEnd || !run) return end;
  const after = text[end] as string;
  const mayOpen = !/\s/.test(after) && /[\s\p{P}\p{S}]/u.test(before) && !(sign === '~' && run.length !== 2);
  if (mayOpen) {
    if (run.length === 3) open.push(sign, sign + sign);
    else if (run.length < 3) open.push(run);
  }
  return end;
}

/** A text with what is open closed, before the spaces at its end. */
function close(text: string, open: readonly string[]): string {
  let end = text.trimEnd();
  const left = [...open];
  // Signs with nothing behind them are not shown at all.
  while (left.length > 0 && end.endsWith(left.at(-1) as string)) {
    end = end.slice(0, end.length - (left.pop() as string).length).trimEnd();
  }
  return left.length === open.length
    ? end + left.toReversed().join('') + text.slice(text.trimEnd().length)
    : end + left.toReversed().join('');
}

function closingTicks(text: string, from: number, count: number): number | null {
  for (const run of text.slice(from).matchAll(/`+/g)) {
    if (run[0].length === count) return from + run.index + count;
  }
  return null;
}

function openCode(text: string, at: number, ticks: string, open: readonly string[]): string {
  const inside = text.slice(at + ticks.length).replace(/`+$/, '');
  // A tick that never closes is a tick after all, once the paragraph is long.
  if (inside.trim() === '') return close(text.slice(0, at), open);
  return `${text.slice(0, at)}${ticks}${inside.trimEnd()}${ticks}${open.toReversed().join('')}`;
}

/** After a link, or after a bracket that is none; null while that cannot be told. */
function afterLink(text: string, at: number): number | null {
  const bracket = text[at] === '!' ? at + 1 : at;
  if (bracket >= text.length) return null;
  let depth = 0;
  let end = bracket;
  for (; end < text.length; end++) {
    if (text[end] === '\\') end += 1;
    else if (text[end] === '[') depth += 1;
    else if (text[end] === ']' && --depth === 0) break;
    if (end - bracket > LONGEST_LABEL) return bracket + 1;
  }
  if (end >= text.length || end + 1 === text.length) return null;
  const next = text[end + 1];
  if (next === '(') return afterTarget(text, end + 2, ')');
  if (next === '[') return afterTarget(text, end + 2, ']');
  return end + 1;
}

function afterTarget(text: string, from: number, sign: string): number | null {
  let depth = 1;
  for (let end = from; end < text.length; end++) {
    if (end - from > LONGEST_LINK) return from;
    if (text[end] === '\\') end += 1;
    else if (sign === ')' && text[end] === '(') depth += 1;
    else if (text[end] === sign && --depth === 0) return end + 1;
  }
  return null;
}
