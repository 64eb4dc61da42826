// A conversation is a tree: each message follows another one or none. What is
// shown is the path from the root to one leaf.
import type { Message } from '../api/types';

export type Node = Pick<Message, 'id' | 'parent_id'>;

/** Those that follow the same message, in the order they were made. */
export function siblings<T extends Node>(all: readonly T[], of: T): T[] {
  return all.filter((other) => other.parent_id === of.parent_id).toSorted(byAge);
}

/** The path from the root to `leaf`; to the latest message where that one is unknown. */
export function pathTo<T extends Node>(all: readonly T[], leaf: string | null): T[] {
  const byId = new Map(all.map((node) => [node.id, node]));
  let node = (leaf ? byId.get(leaf) : undefined) ?? all.toSorted(byAge).at(-1);
  const path: T[] = [];
  const seen = new Set<string>();
  while (node && !seen.has(node.id)) {
    seen.add(node.id);
    path.push(node);
    node = node.parent_id ? byId.get(node.parent_id) : undefined;
  }
  return path.toReversed();
}

/** The leaf below `from` that one comes to by always taking the latest. */
export function latestLeaf<T extends Node>(all: readonly T[], from: T): T {
  let node = from;
  for (let step = 0; step < all.length; step++) {
    const next = all.filter((other) => other.parent_id === node.id).toSorted(byAge).at(-1);
    if (!next) break;
    node = next;
  }
  return node;
}

/** Ids are UUIDv7: their order is the order of making. */
function byAge(one: Node, other: Node): number {
  return one.id < other.id ? -1 : one.id > other.id ? 1 : 0;
}
