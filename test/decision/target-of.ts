import assert from 'node:assert/strict'
import { type CanonicalTarget, parsePath } from '../../packages/authorization/src/target.ts'

/** The target of a path that is written as it is sent and must be accepted. */
export function targetOf(url: string): CanonicalTarget {
  const target = parsePath(url)
  assert.ok(target.accepted, url)
  return target
}
