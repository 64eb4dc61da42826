// What the service says, as /openapi.json describes it.

export interface Me {
  id: string;
  name: string;
  role: 'admin' | 'user';
  kind: 'regular' | 'guest';
  created_at: string;
}

export interface SignedIn {
  access_token: string;
  token_type: string;
  expires_in: number;
  user: Me;
}

export interface SignInOptions {
  registration: boolean;
  guests: boolean;
}

export type Scope = 'read' | 'ask' | 'write' | 'admin';

export interface ApiKey {
  id: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
  /** Only in the reply that made it. */
  key?: string;
}

export interface Account {
  id: string;
  name: string;
  role: 'admin' | 'user';
  kind: 'regular' | 'guest';
  disabled: boolean;
  created_at: string;
  last_seen_at: string | null;
}

export interface Collection {
  id: string;
  name: string;
  created_at: string;
  documents: number;
  role?: 'owner' | 'writer' | 'reader';
}

export interface CollectionDetail extends Collection {
  progress: { queued: number; words: number; done: number; failed: number; chunks: number; embedded: number };
  stalled: string | null;
}

export interface Member {
  user_id: string;
  name: string;
  role: 'reader' | 'writer' | 'owner';
  /** Null as long as the invitation is not answered. */
  accepted_at: string | null;
}

export type Stage = 'queued' | 'words' | 'done' | 'failed';

export interface SourceDocument {
  id: string;
  collection_id: string;
  key: string;
  title: string;
  uri: string | null;
  media_type: string | null;
  stage: Stage;
  revision_id: string | null;
  bytes: number;
  chunks: number;
  embedded: number;
  failure_code: string | null;
  failure_message: string | null;
  created_at: string;
  updated_at: string;
}

/** Code points `[start, end)` of a revision's text. */
export interface TextPart {
  revision_id: string;
  document_id: string;
  title: string;
  key: string;
  length: number;
  start: number;
  end: number;
  text: string;
}

export interface Conversation {
  id: string;
  title: string;
  collections: string[];
  model: string | null;
  system_prompt: string | null;
  /** Names of those that may be called; null means all. */
  tools: string[] | null;
  leaf_id: string | null;
  archived_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface FoundConversation {
  conversation: Conversation;
  message_id: string | null;
  snippet: string;
  rank: number;
}

export interface Citation {
  n: number;
  document_id: string;
  revision_id: string;
  title: string;
  uri: string | null;
  page: number | null;
  start: number;
  end: number;
  quote: string;
  support: 'quoted' | 'aligned';
  score: number;
}

export type Part =
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  | { type: 'tool_call'; id: string; name: string; arguments: string }
  | { type: 'tool_result'; id: string; name: string; text: string; failed: boolean }
  /** Its bytes, or where they are. */
  | { type: 'image'; media_type: string; base64?: string; url?: string }
  | { type: 'file'; document_id: string; title: string }
  | { type: 'artifact'; id: string; version: number; kind: string; title: string }
  | { type: 'citation'; citation: Citation }
  | { type: 'unsupported'; start: number; end: number }
  | { type: 'notice'; code: string; text: string };

export type Status = 'running' | 'completed' | 'cancelled' | 'interrupted' | 'failed';

export interface Feedback {
  vote: 'up' | 'down';
  reasons: string[];
  comment: string | null;
}

export interface Message {
  id: string;
  conversation_id: string;
  parent_id: string | null;
  role: 'user' | 'assistant';
  status: Status;
  parts: Part[];
  model: string | null;
  grounded: boolean | null;
  feedback: Feedback | null;
  created_at: string;
  updated_at: string;
}

export interface Artifact {
  id: string;
  kind: string;
  title: string;
  version: number;
  content: string;
}

export interface Approval {
  id: string;
  message_id: string;
  tool: string;
  arguments: string;
  state: 'waiting' | 'approved' | 'denied' | 'used';
  expires_at: string;
}

/** A passage that was found for a question. */
export interface Brief {
  n: number;
  document_id: string;
  revision_id: string;
  key: string;
  title: string;
  page: number | null;
  start: number;
  end: number;
  score: number;
}

export interface Model {
  name: string;
  provider: string;
  default: boolean;
}

/** A tool of a server that the operator set up. */
export interface OutsideTool {
  name: string;
  server: string;
  description: string;
  needs_approval: boolean;
  trusted: boolean;
}

export interface Spent {
  day: string;
  provider: string;
  model: string;
  purpose: string;
  calls: number;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
  seconds: number;
}

export interface Usage {
  items: Spent[];
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number;
}

/** What one user's models took. */
export interface SpentBy {
  user_id: string;
  name: string;
  calls: number;
  input_tokens: number;
  output_tokens: number;
  cost_usd: number | null;
}

export interface Job {
  id: string;
  owner_id: string;
  document_id: string;
  collection_id: string;
  key: string;
  step: string;
  state: 'waiting' | 'running' | 'dead';
  attempts: number;
  failure_code: string | null;
  failure_message: string | null;
  created_at: string;
  updated_at: string;
  due_at: string;
}

export interface Stats {
  queue: { step: string; state: string; jobs: number; oldest_seconds: number }[];
  points: number;
  stalled: string | null;
  quotas: { quota: string; used: number; limit: number | null }[];
}

/** A collection that its owner would share. */
export interface Invitation {
  collection_id: string;
  name: string;
  /** The name of the owner's account. */
  owner: string;
  role: 'reader' | 'writer';
}
