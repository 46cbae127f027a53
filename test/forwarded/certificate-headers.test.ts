import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AssertedFormat,
  parseAssertedFormat,
} from '../../packages/core/src/credential/forwarded/forwarded-format.ts'
import { derOf, describeClaim, escapedPemOf, intermediate, linesOf, orders, pemOf } from './recorded.ts'

const base64 = orders.toString('base64')
const other = intermediate.toString('base64')
const leaf = { kind: 'certificate', leaf: 'orders', chain: [] }
const whole = { kind: 'certificate', leaf: 'orders', chain: ['intermediate'] }
const escaped = escapedPemOf(orders)
const ofAlb = escaped.replaceAll('%2B', '+').replaceAll('%3D', '=').replaceAll('%2F', '/')

type Fields = Readonly<Record<string, string | readonly string[]>>

const nginx: AssertedFormat = { nginx: { header: 'X-Cert' } }
const haproxy: AssertedFormat = { haproxy: { header: 'X-Cert', chainHeader: 'X-Chain' } }

const accepted: readonly (readonly [what: string, format: AssertedFormat, fields: Fields, claim: unknown])[] = [
  ['nginx: a certificate', nginx, { 'x-cert': escaped }, leaf],
  ['nginx: escapes in lower case', nginx, { 'x-cert': escaped.replaceAll('%0A', '%0a') }, leaf],
  ['nginx: without the last line break', nginx, { 'x-cert': escaped.replace(/%0A$/, '') }, leaf],
  ['nginx: line breaks of Windows', nginx, { 'x-cert': escaped.replaceAll('%0A', '%0D%0A') }, leaf],
  ['HAProxy: base64', haproxy, { 'x-cert': base64 }, leaf],
  ['HAProxy: base64 in colons', haproxy, { 'x-cert': `:${base64}:` }, leaf],
  ['HAProxy: a chain', haproxy, { 'x-cert': base64, 'x-chain': other }, whole],
  ['HAProxy: a chain in colons', haproxy, { 'x-cert': base64, 'x-chain': `:${other}:` }, whole],
  [
    'HAProxy: a chain of two, concatenated',
    haproxy,
    { 'x-cert': base64, 'x-chain': Buffer.concat([intermediate, intermediate]).toString('base64') },
    { ...leaf, chain: ['intermediate', 'intermediate'] },
  ],
  ['Traefik: a leaf', 'traefik', { 'x-forwarded-tls-client-cert': base64 }, leaf],
  ['Traefik: a chain', 'traefik', { 'x-forwarded-tls-client-cert': `${base64},${other}` }, whole],
  ['AWS ALB: a leaf', 'aws-alb', { 'x-amzn-mtls-clientcert-leaf': ofAlb }, leaf],
  ['AWS ALB passthrough: a leaf', 'aws-alb-passthrough', { 'x-amzn-mtls-clientcert': ofAlb }, leaf],
  [
    'AWS ALB passthrough: a chain',
    'aws-alb-passthrough',
    { 'x-amzn-mtls-clientcert': escapedPemOf(orders, intermediate) },
    whole,
  ],
  ['CloudFront: a leaf', 'cloudfront', { 'cloudfront-viewer-cert-pem': escaped }, leaf],
  [
    'CloudFront: a leaf that is stated to be present',
    'cloudfront',
    { 'cloudfront-viewer-cert-pem': escaped, 'cloudfront-viewer-cert-present': '1' },
    leaf,
  ],
  ['CloudFront: no certificate', 'cloudfront', { 'cloudfront-viewer-cert-present': '0' }, { kind: 'none' }],
  ['Azure App Service: a leaf', 'azure-app-service', { 'x-arr-clientcert': base64 }, leaf],
]

for (const [what, format, fields, claim] of accepted) {
  test(`reads from ${what}`, () => {
    assert.deepEqual(describeClaim(parseAssertedFormat(format, 'format').read(linesOf(fields))), claim)
  })
}

const each: readonly (readonly [format: AssertedFormat, header: string, value: string])[] = [
  [nginx, 'x-cert', escaped],
  [haproxy, 'x-cert', base64],
  ['traefik', 'x-forwarded-tls-client-cert', base64],
  ['aws-alb', 'x-amzn-mtls-clientcert-leaf', ofAlb],
  ['aws-alb-passthrough', 'x-amzn-mtls-clientcert', ofAlb],
  ['cloudfront', 'cloudfront-viewer-cert-pem', escaped],
  ['azure-app-service', 'x-arr-clientcert', base64],
]

for (const [format, header, value] of each) {
  const name = typeof format === 'string' ? format : Object.keys(format).join('')

  test(`${name}: reads no header, and an empty one, as no certificate`, () => {
    const reader = parseAssertedFormat(format, 'format')
    assert.deepEqual(reader.read(linesOf({})), { kind: 'none' })
    assert.deepEqual(reader.read(linesOf({ [header]: '' })), { kind: 'none' })
  })

  test(`${name}: refuses what is not exactly one certificate`, () => {
    const reader = parseAssertedFormat(format, 'format')
    const isPem = value.startsWith('-')
    const encode = (der: Buffer) => (isPem ? escapedPemOf(der) : der.toString('base64'))
    const bad: readonly (string | readonly string[])[] = [
      [value, value],
      ['', value],
      `${value}x`,
      `x${value}`,
      `${value} `,
      ` ${value}`,
      `${value}%`,
      value.replace('MIIB', 'MI IB'),
      value.replace('MIIB', 'MI\u00E9IB'),
      encode(orders.subarray(0, -1)),
      encode(Buffer.concat([orders, Buffer.of(0)])),
      encode(Buffer.concat([orders, intermediate])),
      encode(Buffer.from('not DER')),
      encode(derOf(65 * 1024)),
      'A'.repeat(200_000),
      `:${value}`,
    ]
    for (const wrong of bad) {
      const claim = reader.read(linesOf({ [header]: wrong }))
      assert.equal(claim.kind, 'malformed', String(wrong).slice(0, 80))
    }
  })
}

const refused: readonly (readonly [what: string, format: AssertedFormat, fields: Fields])[] = [
  ['nginx: two certificates', nginx, { 'x-cert': escapedPemOf(orders, intermediate) }],
  ['nginx: PEM with blanks for plus signs', nginx, { 'x-cert': escaped.replaceAll('%2B', '%20') }],
  ['nginx: PEM that is escaped twice', nginx, { 'x-cert': encodeURIComponent(escaped) }],
  ['nginx: another block', nginx, { 'x-cert': escaped.replaceAll('CERTIFICATE', 'X509%20CERTIFICATE') }],
  ['nginx: text in front', nginx, { 'x-cert': encodeURIComponent(`subject=x\n${pemOf(orders)}`) }],
  ['nginx: an open block', nginx, { 'x-cert': encodeURIComponent(pemOf(orders).split('-----END')[0] ?? '') }],
  ['nginx: an empty block', nginx, { 'x-cert': encodeURIComponent(pemOf(Buffer.alloc(0))) }],
  ['AWS ALB: two certificates', 'aws-alb', { 'x-amzn-mtls-clientcert-leaf': escapedPemOf(orders, intermediate) }],
  ['CloudFront: two certificates', 'cloudfront', { 'cloudfront-viewer-cert-pem': escapedPemOf(orders, intermediate) }],
  ['CloudFront: a certificate that is missing', 'cloudfront', { 'cloudfront-viewer-cert-present': '1' }],
  [
    'CloudFront: a certificate that is stated to be absent',
    'cloudfront',
    { 'cloudfront-viewer-cert-pem': escaped, 'cloudfront-viewer-cert-present': '0' },
  ],
  [
    'CloudFront: two statements',
    'cloudfront',
    { 'cloudfront-viewer-cert-pem': escaped, 'cloudfront-viewer-cert-present': ['1', '1'] },
  ],
  ['HAProxy: a chain without a leaf', haproxy, { 'x-chain': other }],
  ['HAProxy: two chains', haproxy, { 'x-cert': base64, 'x-chain': [other, other] }],
  ['HAProxy: a list of RFC 9440', haproxy, { 'x-cert': base64, 'x-chain': `:${other}:,:${other}:` }],
  ['HAProxy: bytes behind the chain', haproxy, { 'x-cert': base64, 'x-chain': `${other}AAAA` }],
  ['HAProxy: a chain that is not DER', haproxy, { 'x-cert': base64, 'x-chain': 'AAAA' }],
  [
    'Traefik: an escaped value, as before 2.9.4',
    'traefik',
    { 'x-forwarded-tls-client-cert': encodeURIComponent(base64) },
  ],
  ['Traefik: an empty certificate', 'traefik', { 'x-forwarded-tls-client-cert': `${base64},` }],
  [
    'Traefik: 17 certificates',
    'traefik',
    { 'x-forwarded-tls-client-cert': `${base64},${`${other},`.repeat(15)}${other}` },
  ],
]

for (const [what, format, fields] of refused) {
  test(`refuses from ${what}`, () => {
    assert.equal(parseAssertedFormat(format, 'format').read(linesOf(fields)).kind, 'malformed')
  })
}

test('HAProxy: reads empty colons as no certificate', () => {
  const reader = parseAssertedFormat(haproxy, 'format')
  assert.deepEqual(reader.read(linesOf({ 'x-cert': '::', 'x-chain': '::' })), { kind: 'none' })
})

test('a detail for the log shows nothing of the value', () => {
  for (const [format, header] of each) {
    const claim = parseAssertedFormat(format, 'format').read(linesOf({ [header]: 'SECRET%'.repeat(99) }))
    assert.ok(claim.kind === 'malformed' && claim.detail.length < 200 && !claim.detail.includes('SECRET'))
  }
})
