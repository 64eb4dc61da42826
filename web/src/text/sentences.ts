/** Where the last finished sentence of a growing text ends: what may be read out. */
export function finished(text: string): number {
  let end = 0;
  for (const found of text.matchAll(/[.!?。！？][)\]"'”’]*(?=\s)|\n/g)) end = found.index + found[0].length;
  return end;
}

/** Words without Markdown's signs, for reading out. */
export function spoken(text: string): string {
  return text
    .replace(/```[^\n]*\n?/g, ' ')
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\[(\d+)\]/g, '')
    .replace(/^\s*(?:#{1,6}|[-*+>]|\|[-| :]*)\s*/gm, '')
    .replace(/[*_`~|]+/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}
