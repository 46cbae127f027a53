import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import {
  type AssertedFormat,
  type ForwardedClaim,
  parseAssertedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { escapedPemOf, intermediate, linesOf, orders, ordersId, proxyId, sfBytesOf } from './recorded.ts'

const issuerKey = new X509Certificate(intermediate).publicKey
const base64 = orders.toString('base64')
const hash = createHash('sha256').update(orders).digest('hex')
const chain = `Cert="${escapedPemOf(orders)}";Chain="${escapedPemOf(orders, intermediate)}"`

type Fields = Readonly<Record<string, readonly string[]>>

const valid: readonly (readonly [format: AssertedFormat, fields: Fields])[] = [
  [
    'client-cert',
    {
      'client-cert': [sfBytesOf(orders)],
      'client-cert-chain': [`${sfBytesOf(intermediate)}, ${sfBytesOf(intermediate)}`],
    },
  ],
  [
    'xfcc',
    {
      'x-forwarded-client-cert': [
        String.raw`By=${proxyId};Hash=${hash};${chain};Subject="O=a\";b\,c,CN=orders";URI=${ordersId};DNS=orders.example`,
      ],
    },
  ],
  [
    'xfcc',
    {
      'x-forwarded-client-cert': [`By=spiffe://a/b;URI=spiffe://a/c,By=${proxyId};Subject="CN=orders";URI=${ordersId}`],
    },
  ],
  ['azure-container-apps', { 'x-forwarded-client-cert': [`Hash=${hash};${chain}`] }],
  ['traefik', { 'x-forwarded-tls-client-cert': [`${base64},${intermediate.toString('base64')}`] }],
  ['caddy', { 'client-cert': [sfBytesOf(orders)] }],
  [{ nginx: { header: 'x-cert' } }, { 'x-cert': [escapedPemOf(orders)] }],
  [
    { haproxy: { header: 'x-cert', chainHeader: 'x-chain' } },
    { 'x-cert': [base64], 'x-chain': [Buffer.concat([intermediate, intermediate]).toString('base64')] },
  ],
  ['aws-alb-passthrough', { 'x-amzn-mtls-clientcert': [escapedPemOf(orders, intermediate)] }],
  ['cloudfront', { 'cloudfront-viewer-cert-pem': [escapedPemOf(orders)], 'cloudfront-viewer-cert-present': ['1'] }],
  ['azure-app-service', { 'x-arr-clientcert': [base64] }],
]

const rounds = 200_000

test('200,000 mutated headers: no reader throws, repairs a certificate, or accepts another one', () => {
  const random = seeded(20_261_127)
  const kinds = { none: 0, malformed: 0, certificate: 0, name: 0 }
  const readers = valid.map(([format, fields]) => ({ reader: parseAssertedFormat(format, 'format'), fields }))
  for (const { reader, fields } of readers)
    assert.ok(['certificate', 'name'].includes(reader.read(linesOf(fields)).kind))

  assert.equal(isSigned(orders), true)

  for (let round = 0; round < rounds; round += 1) {
    const { reader, fields } = readers[round % readers.length] ?? assert.fail()
    const mutated = mutateFields(fields, random)
    const claim = reader.read(linesOf(mutated))
    kinds[claim.kind] += 1
    checkClaim(claim, Object.values(mutated).flat())
  }

  // The test would prove nothing if nearly all were refused for the same reason.
  for (const [kind, count] of Object.entries(kinds)) assert.ok(count > rounds / 1000, `${kind}: ${count}`)
})

function checkClaim(claim: ForwardedClaim, values: readonly string[]): void {
  if (claim.kind === 'malformed') assert.ok(claim.detail.length < 200)
  if (claim.kind === 'name') assert.ok(values.some((value) => value.replaceAll('\\', '').includes(claim.spiffeId)))
  if (claim.kind !== 'certificate') return
  const certificates = [claim.leaf, ...claim.chain].map((bytes) => Buffer.from(bytes))
  const changed = certificates.filter((der) => !der.equals(orders) && !der.equals(intermediate))
  if (changed.length === 0) return
  // A changed letter of base64 is another certificate. It must be in the header as it is, and no authority signed it.
  const texts = values.map(unescapeLeniently)
  const whole = Buffer.concat(certificates.slice(1))
  for (const der of changed) {
    const spellings = [der, whole].map((bytes) => bytes.toString('base64'))
    assert.ok(
      texts.some((text) => spellings.some((spelling) => text.includes(spelling))),
      'a certificate was repaired',
    )
    assert.equal(isSigned(der), false)
  }
}

function unescapeLeniently(value: string): string {
  const bytes = value.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return bytes.replaceAll(/[\r\n\\]/g, '')
}

function isSigned(der: Buffer): boolean {
  try {
    return new X509Certificate(der).verify(issuerKey)
  } catch {
    return false
  }
}

function mutateFields(fields: Fields, random: (below: number) => number): Fields {
  const names = Object.keys(fields)
  const chosen = names[random(names.length)] ?? ''
  const entries = names.map((name) => {
    const lines = fields[name] ?? []
    return [name, name === chosen ? mutateLines(lines, random) : lines] as const
  })
  return Object.fromEntries(entries)
}

function mutateLines(lines: readonly string[], random: (below: number) => number): readonly string[] {
  const [line = ''] = lines
  switch (random(12)) {
    case 0:
      return []
    case 1:
      return [line, line]
    case 2:
      return [line.slice(0, random(line.length))]
    default: {
      let text = line
      for (let count = 0; count <= random(3); count += 1) text = mutateText(text, random)
      return [text]
    }
  }
}

const telling = [
  '"',
  '\\',
  ',',
  ';',
  '=',
  ':',
  '%',
  '+',
  ' ',
  '/',
  '-',
  'A',
  '0',
  '\u00E9',
  '%0A',
  '%2B',
  '%00',
  'By=',
  'URI=',
  'Cert=',
]

function mutateText(text: string, random: (below: number) => number): string {
  // Half of the mutations are near the start, where the structure is.
  const at = random(random(2) === 0 ? text.length + 1 : Math.min(text.length + 1, 60))
  const length = random(4) === 0 ? random(40) : 1
  const inserted = telling[random(telling.length)] ?? ''
  switch (random(5)) {
    case 0:
      return text.slice(0, at) + inserted + text.slice(at)
    case 1:
      return text.slice(0, at) + text.slice(at + length)
    case 2:
      return text.slice(0, at) + inserted + text.slice(at + inserted.length)
    case 3: {
      const from = random(text.length + 1)
      return text.slice(0, at) + text.slice(from, from + length) + text.slice(at)
    }
    default:
      return text.slice(0, at) + String.fromCharCode(32 + random(224)) + text.slice(at + 1)
  }
}

/** Returns numbers that look random and are the same in each run (xorshift). */
function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % Math.max(1, below)
  }
}
