/** Tools of the service itself, with what they do. */
export const OWN_TOOLS: ReadonlyMap<string, string> = new Map([
  ['search_documents', 'Search again'],
  ['get_document', 'Read on in a document'],
  ['calculate', 'Calculate'],
  ['current_time', 'Tell the time'],
  ['create_artifact', 'Make texts, code, sheets and images'],
  ['update_artifact', 'Change what it made'],
]);

/** Names as people write them, with commas, blanks or lines between, each once. */
export function namesIn(...texts: string[]): string[] {
  return [...new Set(texts.flatMap((text) => text.split(/[\s,;]+/)).filter((name) => name !== ''))];
}
