import { describe, expect, test } from 'vitest';
import { latestLeaf, pathTo, siblings, type Node } from './tree';

/** Two questions at the root; the first has two answers, the second of which goes on. */
const NODES: Node[] = [
  { id: '01', parent_id: null },
  { id: '02', parent_id: '01' },
  { id: '03', parent_id: '01' },
  { id: '04', parent_id: '03' },
  { id: '05', parent_id: '04' },
  { id: '06', parent_id: null },
  { id: '07', parent_id: '06' },
].toReversed();
const node = (id: string): Node => NODES.find((node) => node.id === id) as Node;
const ids = (nodes: Node[]): string[] => nodes.map((node) => node.id);

describe('the tree of a conversation', () => {
  test('without a leaf the latest message ends the path', () => {
    expect(ids(pathTo(NODES, null))).toEqual(['06', '07']);
    expect(ids(pathTo(NODES, 'gone'))).toEqual(['06', '07']);
    expect(pathTo([], null)).toEqual([]);
  });

  test('a path leads to its leaf', () => {
    expect(ids(pathTo(NODES, '05'))).toEqual(['01', '03', '04', '05']);
    expect(ids(pathTo(NODES, '02'))).toEqual(['01', '02']);
  });

  test('siblings come in the order they were made', () => {
    expect(ids(siblings(NODES, node('03')))).toEqual(['02', '03']);
    expect(ids(siblings(NODES, node('06')))).toEqual(['01', '06']);
  });

  test('a branch is entered at its latest leaf', () => {
    expect(latestLeaf(NODES, node('01')).id).toBe('05');
    expect(latestLeaf(NODES, node('02')).id).toBe('02');
  });

  test('a circle does not hang', () => {
    const circle = [{ id: '1', parent_id: '2' }, { id: '2', parent_id: '1' }];
    expect(ids(pathTo(circle, '1'))).toEqual(['2', '1']);
    expect(['1', '2']).toContain(latestLeaf(circle, circle[0] as Node).id);
  });
});
