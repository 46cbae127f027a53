import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { ConfigurationError, type CredentialKind } from '@countersign/core'
import { describeThrown, isRecord } from '@countersign/spiffe/options'
import type { Context } from '../context.ts'

/** A kind of request in a decision log. */
export interface LoggedDecision {
  /** Null for an anonymous caller. */
  readonly caller: string | null
  readonly credential: CredentialKind | undefined
  readonly proxy: string | undefined
  readonly method: string
  readonly path: string
  readonly effect: 'allow' | 'deny'
  /** How many lines have it. */
  lines: number
  /** How many requests there were, as estimated from the sample. */
  requests: number
}

/** A decision log, with equal requests counted together. */
export interface ReadLog {
  readonly decisions: readonly LoggedDecision[]
  /** Lines whose request is not known: redacted or cut paths, and callers that were not authenticated. */
  readonly skipped: number
}

/**
 * Reads a decision log. Equal requests are counted together, so a log may be larger than the memory.
 *
 * @param place a file, or `-` for the standard input
 * @throws {ConfigurationError} `option_invalid` if the file cannot be read, or a line is not one of a decision log
 */
export async function readLog(place: string, { input }: Context): Promise<ReadLog> {
  const stream = place === '-' ? input : createReadStream(place)
  const decisions = new Map<string, LoggedDecision>()
  let skipped = 0
  let number = 0
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1
      if (line.trim() === '') continue
      const entry = parseLine(line)
      if (entry === undefined) throw new ConfigurationError('option_invalid', `--log: ${place}:${number}: ${expected}`)
      if (entry === 'other') continue
      if (entry === 'unknown') skipped += 1
      else count(decisions, entry)
    }
  } catch (error) {
    if (error instanceof ConfigurationError) throw error
    const message = `--log: found ${describeThrown(error)}, expected a decision log that can be read`
    throw new ConfigurationError('option_invalid', message, { cause: error })
  }
  return { decisions: [...decisions.values()], skipped }
}

const expected = "expected a line of a decision log: a JSON object with version 1 and type 'decision' or 'dropped'"

function parseLine(line: string): LoggedDecision | 'unknown' | 'other' | undefined {
  const value = parseJson(line)
  if (!isRecord(value) || value['version'] !== 1) return undefined
  if (value['type'] !== 'decision') return typeof value['type'] === 'string' ? 'other' : undefined
  const { effect, method, path, pathState, principal, credential, proxy, reason, sampled } = value
  if (effect !== 'allow' && effect !== 'deny') return undefined
  if (typeof method !== 'string' || typeof path !== 'string') return undefined
  if (principal !== null && typeof principal !== 'string') return undefined
  // A denial without a caller says nothing about rules: its credential was refused.
  const isRefused = principal === null && effect === 'deny' && reason !== 'unauthenticated'
  if (pathState !== undefined || !path.startsWith('/') || isRefused) return 'unknown'
  const share = typeof sampled === 'number' && sampled > 0 ? sampled : 1
  return {
    caller: principal,
    credential: findCredential(credential),
    proxy: typeof proxy === 'string' ? proxy : undefined,
    method,
    path,
    effect,
    lines: 1,
    requests: 1 / share,
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const credentials: readonly CredentialKind[] = ['x509-svid', 'x509-subject', 'forwarded', 'asserted', 'jwt-svid']

function findCredential(found: unknown): CredentialKind | undefined {
  return credentials.find((kind) => kind === found)
}

function count(decisions: Map<string, LoggedDecision>, entry: LoggedDecision): void {
  const { caller, credential, proxy, method, path, effect } = entry
  const key = JSON.stringify([caller, credential, proxy, method, path, effect])
  const known = decisions.get(key)
  if (known === undefined) {
    decisions.set(key, entry)
    return
  }
  known.lines += entry.lines
  known.requests += entry.requests
}
