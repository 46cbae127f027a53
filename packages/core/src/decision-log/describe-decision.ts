import { ignoreRejection } from '@countersign/spiffe/options'
import type { DecisionEvent } from '../events.ts'
import { type DecisionLine, redactedPath, type WouldBeLine } from './decision-line.ts'
import type { Redaction } from './decision-log-options.ts'

/** Describes a decision as a line of the log, with only the fields listed here, each of bounded size. */
export function describeDecision(event: DecisionEvent, sampled: number, redaction: Redaction): DecisionLine {
  const { principal, credential, proxy, rule, policy, revision, remoteAddress } = event
  return {
    version: 1,
    type: 'decision',
    time: new Date(event.at).toISOString(),
    effect: event.effect,
    method: cut(event.method, 32),
    ...describePath(event.path, redaction),
    principal: principal === undefined || principal === null ? null : cut(principal),
    ...(credential !== undefined && { credential: cut(credential) }),
    ...(proxy !== undefined && { proxy: cut(proxy) }),
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy: cut(policy) }),
    ...(revision !== undefined && { revision: cut(revision) }),
    ...(redaction.remoteAddress && remoteAddress !== undefined && { remoteAddress: cut(remoteAddress) }),
    ...(event.effect === 'deny' && describeReason(event)),
    ...(event.effect === 'allow' && event.wouldBe !== undefined && { wouldBe: describeWouldBe(event.wouldBe) }),
    sampled,
  }
}

type Denied = Extract<DecisionEvent, { readonly effect: 'deny' }>
type WouldBe = NonNullable<Extract<DecisionEvent, { readonly effect: 'allow' }>['wouldBe']>

// `detail` is left out: it may quote the request, and the service's log has it under the same id.
function describeReason({
  id,
  status,
  code,
  reason,
  missing,
}: Denied): Pick<DecisionLine, 'id' | 'status' | 'code' | 'reason' | 'missing'> {
  return { id: cut(id), status, code, reason, ...(missing !== undefined && { missing: cutList(missing) }) }
}

function describeWouldBe({ id, status, code, reason, rule, policy, missing }: WouldBe): WouldBeLine {
  return {
    effect: 'deny',
    id: cut(id),
    status,
    code,
    reason,
    ...(rule !== undefined && { rule }),
    ...(policy !== undefined && { policy: cut(policy) }),
    ...(missing !== undefined && { missing: cutList(missing) }),
  }
}

/**
 * Removes parts of a path that may be secret. The target of a denied request can have a fragment, or the form
 * `https://name:password@host/path`.
 */
function describePath(path: string, { redactPath }: Redaction): Pick<DecisionLine, 'path' | 'pathState'> {
  const plain = /^[^?#]*/.exec(path)?.[0] ?? ''
  if (!plain.startsWith('/')) return plain === '*' ? { path: plain } : { path: redactedPath, pathState: 'redacted' }
  const shown = redactPath === undefined ? plain : redactSafely(redactPath, plain)
  if (shown !== plain) return { path: cut(shown, longestPath), pathState: 'redacted' }
  return plain.length < longestPath ? { path: plain } : { path: cut(plain, longestPath), pathState: 'cut' }
}

function redactSafely(redactPath: (path: string) => string, path: string): string {
  try {
    const redacted: unknown = redactPath(path)
    if (typeof redacted === 'string') return redacted
    ignoreRejection(redacted)
  } catch {
    // The application redacts paths, so do not write this one.
  }
  return redactedPath
}

function cut(text: string, longest = longestText): string {
  return text.length > longest ? text.slice(0, longest) : text
}

function cutList(texts: readonly string[]): readonly string[] {
  return texts.slice(0, mostTexts).map((text) => cut(text, longestPath))
}

/** Characters, like the path of an event. */
const longestPath = 256

/** Characters, like a SPIFFE ID. */
const longestText = 2048
const mostTexts = 32
