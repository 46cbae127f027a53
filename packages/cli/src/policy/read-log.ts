import { ConfigurationError, type CredentialKind, SpiffeId } from '@countersign/core'
import { type DecisionLine, readDecisionLog } from '@countersign/core/decision-log'
import { describeThrown } from '@countersign/spiffe/options'
import type { Context } from '../context.ts'

/** A kind of request in a decision log. */
export interface LoggedDecision {
  /** Null for an anonymous caller. */
  readonly caller: string | null
  readonly credential: CredentialKind | undefined
  readonly method: string
  readonly path: string
  /** The decision that the caller received. */
  readonly effect: 'allow' | 'deny'
  /** The decision without audit mode. */
  readonly enforced: 'allow' | 'deny'
  /** The index of the rule that decided. */
  readonly rule: number | undefined
  readonly revision: string | undefined
  /** How many requests there were, as estimated from the sample. */
  readonly requests: number
}

/** A decision log, with equal requests counted together. */
export interface ReadLog {
  readonly decisions: readonly LoggedDecision[]
  /** Descriptions of gaps in the log, for display. */
  readonly gaps: readonly string[]
}

/**
 * Reads a decision log. Equal requests are counted together, so the log may be larger than memory.
 *
 * @param place a file, or `-` for the standard input
 * @throws {ConfigurationError} `option_invalid` if the file cannot be read, or has no line of a decision log
 */
export async function readLog(place: string, { input }: Context): Promise<ReadLog> {
  const decisions = new Map<string, LoggedDecision>()
  let [lines, unreadable, unknown, lost] = [0, 0, 0, 0]
  try {
    for await (const { line } of readDecisionLog(place === '-' ? input : place)) {
      lines += 1
      if (line === undefined) unreadable += 1
      else if (line.type === 'dropped') lost += line.rate + line.queue + line.failed
      else if (isUnknown(line)) unknown += 1
      else count(decisions, line)
    }
  } catch (cause) {
    const message = `--log: found ${describeThrown(cause)}, expected a decision log that can be read`
    throw new ConfigurationError('option_invalid', message, { cause })
  }
  if (lines > 0 && unreadable === lines) {
    const message = `--log: found no line of a decision log in ${place}, expected JSON objects with version 1 and type 'decision'`
    throw new ConfigurationError('option_invalid', message)
  }
  const gaps = [
    describeGap(unreadable, 'lines that are truncated or not part of a decision log'),
    describeGap(unknown, 'lines whose caller or path is not recorded, or cannot be simulated'),
    describeGap(lost, 'decisions that the log dropped'),
  ]
  return { decisions: [...decisions.values()], gaps: gaps.flat() }
}

// A denial without a caller does not depend on rules: its credential was rejected. Callers that are not workloads, and
// kinds of credentials that this version does not know, cannot be simulated.
function isUnknown({ pathState, path, principal, credential, effect, reason }: DecisionLine): boolean {
  if (pathState !== undefined || !path.startsWith('/')) return true
  if (credential !== undefined && !credentials.some((kind) => kind === credential)) return true
  if (principal !== null && !isSpiffeId(principal)) return true
  return principal === null && effect === 'deny' && reason !== 'unauthenticated'
}

function isSpiffeId(text: string): boolean {
  try {
    SpiffeId.parse(text)
    return true
  } catch {
    return false
  }
}

function describeGap(number: number, what: string): readonly string[] {
  return number === 0 ? [] : [`not considered: ${number} ${what}`]
}

const credentials: readonly CredentialKind[] = ['x509-svid', 'forwarded', 'asserted', 'jwt-svid']

function count(decisions: Map<string, LoggedDecision>, line: DecisionLine): void {
  const { principal: caller, method, path, effect, wouldBe, rule, revision, sampled } = line
  const credential = credentials.find((kind) => kind === line.credential)
  const enforced = wouldBe === undefined ? effect : 'deny'
  const key = JSON.stringify([caller, credential, method, path, effect, enforced, rule, revision])
  const requests = (decisions.get(key)?.requests ?? 0) + 1 / sampled
  decisions.set(key, { caller, credential, method, path, effect, enforced, rule, revision, requests })
}
