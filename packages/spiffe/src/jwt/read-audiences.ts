import { isRecord } from '../options.ts'
import { maxTokenBytes } from './compact-token.ts'

/**
 * Returns the audiences that a JWT claims, **without verifying anything**, or undefined if the text is not a JWT in
 * compact serialization. Use it only to decide whether a token in an `Authorization` header is meant for you; then
 * verify it with `verifyJwtSvid`.
 *
 * Deliberately more lenient than the verifier: a malformed token for us is recognized, so that it can be denied instead
 * of being ignored. Never throws, and reads at most 16 KiB.
 */
export function readAudiences(token: string): readonly string[] | undefined {
  if (typeof token !== 'string' || token.length > maxTokenBytes) return undefined
  const parts = token.split('.', 4)
  const [header = '', claims = ''] = parts
  if (parts.length !== 3 || readJson(header) === undefined) return undefined
  const read = readJson(claims)
  if (read === undefined) return undefined
  const found: readonly unknown[] = Array.isArray(read['aud']) ? read['aud'] : [read['aud']]
  return found.filter((audience) => typeof audience === 'string')
}

function readJson(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}
