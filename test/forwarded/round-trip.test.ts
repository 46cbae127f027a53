import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseForwardedFormat } from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { derOf, escapedPemOf, linesOf, sfBytesOf } from './recorded.ts'

// Names in a certificate, as Node.js hands them over: any bytes except control characters.
const hostileText = fc
  .array(fc.oneof(fc.constantFrom('"', '\\', ',', ';', '=', '%', '+', ':'), fc.integer({ min: 32, max: 255 })))
  .map((parts) => parts.map((part) => (typeof part === 'number' ? String.fromCharCode(part) : part)).join(''))

const der = fc
  .tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 255 }))
  .map(([length, fill]) => derOf(length, fill))

const spiffeId = fc
  .tuple(fc.stringMatching(/^[a-z0-9._-]{1,20}$/), fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/))
  .map(([trustDomain, segment]) => `spiffe://${trustDomain}/${segment}`)

test('X-Forwarded-Client-Cert: reads back what was printed, whatever the names are', () => {
  const reader = parseForwardedFormat('xfcc', 'format')
  const printed = fc.record({
    by: hostileText,
    subject: hostileText,
    names: fc.array(hostileText, { maxLength: 3 }),
    uri: spiffeId,
    leaf: fc.option(der, { nil: undefined }),
    chain: fc.array(der, { maxLength: 3 }),
    earlier: fc.option(hostileText, { nil: undefined }),
  })
  fc.assert(
    fc.property(printed, ({ by, subject, names, uri, leaf, chain, earlier }) => {
      const others = chain.filter((certificate) => leaf !== undefined && !certificate.equals(leaf))
      const proxy = `spiffe://edge.example/${earlier === undefined ? by : 'proxy'}`
      const certificates =
        leaf === undefined
          ? []
          : [
              ['Hash', createHash('sha256').update(leaf).digest('hex')],
              ['Cert', escapedPemOf(leaf)],
              ['Chain', escapedPemOf(leaf, ...others)],
            ]
      const pairs = [
        ['By', proxy],
        ...certificates,
        ['Subject', subject],
        ['URI', uri],
        ...names.map((name) => ['DNS', name]),
      ]
      const element = pairs.map(([key = '', value = '']) => `${key}=${quote(value)}`).join(';')
      // Another proxy's element may hold any text except this proxy's own name.
      const before = earlier === undefined ? '' : `By=other;Subject=${quote(earlier)},`

      const claim = reader.read(linesOf({ 'x-forwarded-client-cert': before + element }))

      const stated = { by: proxy, spiffeId: uri }
      assert.deepEqual(
        claim,
        leaf === undefined ? { kind: 'name', ...stated } : { kind: 'certificate', leaf, chain: others, ...stated },
      )
    }),
    { numRuns: 1000 },
  )
})

test('Client-Cert: reads back what was printed, on any number of lines', () => {
  const reader = parseForwardedFormat('client-cert', 'format')
  const printed = fc.record({
    leaf: der,
    lines: fc.array(fc.array(der, { maxLength: 4 }), { maxLength: 4 }),
    separator: fc.constantFrom(',', ', ', ' ,', ',\t'),
  })
  fc.assert(
    fc.property(printed, ({ leaf, lines, separator }) => {
      const chain = lines.flat()
      const claim = reader.read(
        linesOf({
          'client-cert': sfBytesOf(leaf),
          'client-cert-chain': lines.map((line) => line.map(sfBytesOf).join(separator)),
        }),
      )
      if (chain.length > 15) assert.equal(claim.kind, 'malformed')
      else assert.deepEqual(claim, { kind: 'certificate', leaf, chain })
    }),
    { numRuns: 1000 },
  )
})

function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
