import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { parseTrustDomain, SpiffeId, SpiffeIdError } from '@countersign/core'

const spiffeIds = await readVectors('spiffe-ids.json')
const trustDomains = await readVectors('trust-domains.json')

for (const { input, valid, code, trustDomain, path } of spiffeIds) {
  if (valid) {
    test(`reads the SPIFFE ID ${show(input)}`, () => {
      const id = SpiffeId.parse(input)
      assert.deepEqual(
        { text: id.toString(), trustDomain: id.trustDomain, path: id.path },
        { text: input, trustDomain, path },
      )
    })
  } else {
    test(`refuses the SPIFFE ID ${show(input)} with ${code}`, () => {
      assert.throws(
        () => SpiffeId.parse(input),
        (error) => error instanceof SpiffeIdError && error.code === code,
      )
    })
  }
}

for (const { input, valid, code, trustDomain } of trustDomains) {
  if (valid) {
    test(`reads the trust domain ${show(input)}`, () => {
      assert.equal(parseTrustDomain(input), trustDomain)
    })
  } else {
    test(`refuses the trust domain ${show(input)} with ${code}`, () => {
      assert.throws(
        () => parseTrustDomain(input),
        (error) => error instanceof SpiffeIdError && error.code === code,
      )
    })
  }
}

test('covers every vector, valid and invalid', () => {
  assert.deepEqual(
    [count(spiffeIds), count(trustDomains)],
    [
      [86, 23],
      [27, 8],
    ],
  )
})

function count(vectors: readonly Vector[]): readonly number[] {
  return [vectors.length, vectors.filter(({ valid }) => valid).length]
}

interface Vector {
  readonly input: string
  readonly valid: boolean
  /** Our code for the class of error; where the standard leaves a choice, the strict one. */
  readonly code: string
  readonly trustDomain: string
  readonly path: string
}

async function readVectors(name: string): Promise<readonly Vector[]> {
  const content: unknown = JSON.parse(await readFile(new URL(`../vectors/${name}`, import.meta.url), 'utf8'))
  assert.ok(Array.isArray(content))
  return content.map((row: unknown) => {
    assert.ok(typeof row === 'object' && row !== null)
    const read = (key: string): string => {
      const value: unknown = Reflect.get(row, key)
      return typeof value === 'string' ? value : ''
    }
    const code = (read('strictError') || read('error')).replaceAll('-', '_')
    const valid = read('verdict') === 'valid'
    assert.ok(valid || code !== '')
    return { input: read('input'), valid, code, trustDomain: read('trustDomain'), path: read('path') }
  })
}

function show(input: string): string {
  return JSON.stringify(input.length > 60 ? `${input.slice(0, 57)}… (${input.length})` : input)
}
