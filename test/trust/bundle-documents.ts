import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { Authority } from '@countersign/testkit'

/*
 * SPIFFE bundle documents, written for a test or read from the table of inputs and verdicts.
 */

/** Writes entries like SPIRE, with this certificate, and with some members changed or omitted (`undefined`). */
export function createJwk(x5c: readonly unknown[]): (changes?: Readonly<Record<string, unknown>>) => object {
  return (changes = {}) => ({ kty: 'EC', use: 'x509-svid', crv: 'P-256', x: 'AA', y: 'AA', x5c, ...changes })
}

export function toDocument(...keys: readonly unknown[]): string {
  return JSON.stringify({ keys })
}

export function toBase64({ certificateDer }: Authority): string {
  return certificateDer.toString('base64')
}

/** One row of the table; the verdict starts with `accept` or `reject`. */
export interface BundleVector {
  readonly input: string
  readonly verdict: string
  readonly reason: string
}

export async function readBundleVectors(): Promise<readonly BundleVector[]> {
  const content: unknown = JSON.parse(
    await readFile(new URL('../vectors/bundle-vectors.json', import.meta.url), 'utf8'),
  )
  assert.ok(typeof content === 'object' && content !== null)
  const inline: unknown = Reflect.get(content, 'inline')
  assert.ok(Array.isArray(inline))
  return inline.map((row: unknown) => {
    assert.ok(typeof row === 'object' && row !== null)
    const [input, verdict, reason] = ['input', 'verdict', 'reason'].map((name): unknown => Reflect.get(row, name))
    assert.ok(typeof input === 'string' && typeof verdict === 'string' && typeof reason === 'string')
    assert.match(verdict, /^(?:accept|reject)\b/)
    return { input, verdict, reason }
  })
}
