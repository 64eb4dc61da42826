/** Where a link may lead: an absolute http or https address; null for anything else. */
export function safeLink(target: string): string | null {
  let url: URL;
  try {
    url = new URL(target.trim());
  } catch {
    return null;
  }
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  // A name before the host only serves to look like another host.
  return isWeb && !url.username && !url.password ? url.href : null;
}
