import assert from 'node:assert/strict'
import type { JsonWebKey } from 'node:crypto'

/** The keys of a JWK set. */
export function parseKeys(set: Buffer | undefined): readonly JsonWebKey[] {
  const parsed: unknown = JSON.parse(set?.toString() ?? '')
  assert.ok(typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys))
  return parsed.keys.map((key: unknown) => {
    assert.ok(typeof key === 'object' && key !== null)
    return { ...key }
  })
}
